"""What ECS and CloudFormation call during a deployment: gates, smoke tests, the command before the deployment."""
