"""The resource types that a rehearsal plays, and what their properties may say; ``!`` is required."""
