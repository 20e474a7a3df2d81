"""One task and the number of tasks, the same for every kind of service."""
