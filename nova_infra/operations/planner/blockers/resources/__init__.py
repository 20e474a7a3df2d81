"""What AWS refuses of many kinds of resources: limits, conditions, quotas, permissions, lost data; ECS."""
