"""Fault drills: what is played, and what must follow."""
