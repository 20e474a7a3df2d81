"""A delivery by GitHub Actions: its workflow read, its jobs as stages, and what would go wrong on GitHub."""
