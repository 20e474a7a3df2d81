"""Refuses contradictions in an environment's network."""
