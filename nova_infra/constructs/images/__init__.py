"""Image repositories: who may publish to them, and who hears of vulnerabilities."""
