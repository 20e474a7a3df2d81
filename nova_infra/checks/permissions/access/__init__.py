"""Who can do what before and after the approval, and who can read production: ``docs/access.md``."""
