"""Constructs for delivery: the pipeline's steps, its permissions, registries and roles."""
