"""Lets an environment's test suite answer for new revisions: routes it there, runs it, checks that it reached them."""
