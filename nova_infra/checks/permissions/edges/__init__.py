"""The edges of the graph of roles: what starts a way to production, what lengthens it, what cuts it short."""
