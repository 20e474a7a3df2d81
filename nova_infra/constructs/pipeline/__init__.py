"""The pipeline: its steps, permissions, conditions, and the approval before it changes itself.

Each function that takes a ``pipeline`` needs it as it is after ``build_pipeline()``.
"""
