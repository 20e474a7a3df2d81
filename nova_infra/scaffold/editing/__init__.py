"""Adds, removes or renames a service in the files of a project."""
