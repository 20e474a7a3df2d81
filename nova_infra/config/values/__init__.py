"""The types of single values in ``nova.toml``, and what AWS accepts of them."""
