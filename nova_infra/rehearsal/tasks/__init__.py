"""ECS tasks as they run on this machine."""
