"""What keeps requests from tasks, and tasks from what they need: subnets, groups, listener rules."""
