"""Image repositories: who may publish to them, and who is notified of vulnerabilities."""
