"""The pipeline: its steps, permissions, conditions, and the approval before it changes itself."""
