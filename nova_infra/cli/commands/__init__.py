"""The commands of `nova`, one module for each group."""
