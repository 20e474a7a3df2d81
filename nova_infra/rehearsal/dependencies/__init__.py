"""Containers that run alongside the services: what nova.toml names, its images, and what leads to it."""
