"""An environment on this machine, with its load and its monitoring."""
