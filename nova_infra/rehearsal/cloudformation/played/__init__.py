"""The resource types that a rehearsal plays, and what their properties may say. A name with ``!`` has to be there."""
