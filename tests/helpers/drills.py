"""A release as a drill went."""

COMMAND = ["python", "-m", "serve", "tiny:app"]
