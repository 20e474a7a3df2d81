"""A running environment: its data classes, its protocol, and how to connect to it."""
