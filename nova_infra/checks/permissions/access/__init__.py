"""Who can do what before and after the approval, and who can read production's data: the page ``docs/access.md``."""
