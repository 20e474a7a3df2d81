"""What operators do with running services: read logs, open a shell, run a task, scale for an incident."""
