"""Converts manifests to tables of ``nova.toml``, key by key as ``keys.toml`` lists them."""
