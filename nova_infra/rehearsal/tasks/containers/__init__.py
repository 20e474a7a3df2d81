"""Tasks as containers: how one is created, started and watched, and why it does not start."""
