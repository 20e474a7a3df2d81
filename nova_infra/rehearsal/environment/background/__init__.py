"""What runs without requests: jobs, queues, commands before a deployment, and servers that stand in for AWS."""
