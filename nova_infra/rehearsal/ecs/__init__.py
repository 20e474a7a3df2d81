"""ECS services: how they are deployed, and what the scheduler decides."""
