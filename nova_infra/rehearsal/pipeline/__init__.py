"""Plays a pipeline: its actions, the environments that they deploy to, and the release with its edits."""
