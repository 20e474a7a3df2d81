"""Lets an environment's test suite answer for new revisions: routes it there, and checks that it came."""
