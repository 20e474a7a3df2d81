"""Environments in AWS, through botocore."""
