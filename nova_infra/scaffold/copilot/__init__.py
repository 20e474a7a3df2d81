"""Turns the manifests of AWS Copilot into ``nova.toml``."""
