"""Where a way to production begins, what lengthens it, and what cuts it short."""
