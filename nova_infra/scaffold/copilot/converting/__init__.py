"""Turns what was read into tables of ``nova.toml``: each key of a manifest is mapped here; ``../keys.toml`` lists them all."""
