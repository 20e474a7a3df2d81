"""What ECS and CloudFormation call during a deployment: gates, smoke tests, the command that runs before it."""
