"""Calls to AWS: clients, retries, errors in one line, and servers that stand in for AWS."""
