"""Reads Copilot's manifests."""
