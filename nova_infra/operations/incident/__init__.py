"""What an operator does to services that run: read their logs, open a shell, run a task, scale for an incident."""
