"""An environment as it runs: its values, its protocol, and the way to it."""
