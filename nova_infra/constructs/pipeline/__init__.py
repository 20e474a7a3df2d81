"""The pipeline: steps, permissions, conditions, approval of itself. A ``pipeline`` is one that has been built."""
