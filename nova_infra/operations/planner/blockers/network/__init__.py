"""What keeps requests from tasks, and tasks from what they need: addresses, ways, security groups, listener rules."""
