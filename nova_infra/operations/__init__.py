"""What an operator and the pipeline's steps do with AWS: boto3, never CDK."""
