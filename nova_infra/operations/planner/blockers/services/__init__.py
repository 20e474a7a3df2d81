"""What a service of AWS refuses of its own resources: one module for one or a few services."""
