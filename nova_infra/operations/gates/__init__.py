"""Decides whether a release may start (preflight) and whether an environment runs it (verify)."""
