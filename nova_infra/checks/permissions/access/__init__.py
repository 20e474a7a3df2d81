"""Who can do what before and after the approval, and read of production: the page ``docs/access.md``."""
