"""Turns what was read into tables of ``nova.toml``: each key of a manifest, listed in ``keys.toml``, is mapped here."""
