"""The `nova` command."""
