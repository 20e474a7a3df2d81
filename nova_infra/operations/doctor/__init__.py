"""Checks what has to be in place before a deployment: accounts, settings of the repository, quotas."""
