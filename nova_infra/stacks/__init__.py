"""The stacks, which are thin and only wire constructs."""
