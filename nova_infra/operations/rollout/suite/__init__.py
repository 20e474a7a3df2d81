"""Lets an environment's test suite answer for new revisions: routes it to them, runs it, checks that it met them."""
