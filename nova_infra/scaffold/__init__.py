"""Writes what a project consists of: services, workflows, and projects of their own."""
