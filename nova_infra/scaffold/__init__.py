"""Writes services, workflows and whole new projects."""
