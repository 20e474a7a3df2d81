"""Probes uploaded video and takes thumbnails of it."""
