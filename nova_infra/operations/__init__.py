"""What an operator and the pipeline's steps do with AWS, never with CDK."""
