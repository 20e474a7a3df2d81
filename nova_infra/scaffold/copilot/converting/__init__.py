"""Turns what was read into tables of ``nova.toml``."""
