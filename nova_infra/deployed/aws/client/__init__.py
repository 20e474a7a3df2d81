"""Calls to AWS: clients, retries, errors in one line, permissions of a call, and servers that stand in for AWS."""
