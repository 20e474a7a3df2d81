"""Containers that run beside the services: what nova.toml names, its images, and what leads to it."""
