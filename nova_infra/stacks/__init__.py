"""The stacks: thin, they wire constructs."""
