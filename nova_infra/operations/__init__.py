"""What operators and the pipeline's steps do with AWS, never with CDK."""
