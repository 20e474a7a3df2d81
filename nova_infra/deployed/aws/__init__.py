"""Environments in AWS, through boto3."""
