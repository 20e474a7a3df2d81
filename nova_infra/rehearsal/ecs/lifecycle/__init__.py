"""Lifecycle hooks: where a deployment waits, the functions that ECS calls there, and what ECS answers them."""
