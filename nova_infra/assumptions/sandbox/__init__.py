"""A sandbox account: its stacks, the templates that experiments share, requests, and the removal of everything."""
