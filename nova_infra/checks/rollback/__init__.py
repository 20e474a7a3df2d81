"""The rules ``NOVA-R…``: a failing release of a service can be noticed and rolled back, and is."""
