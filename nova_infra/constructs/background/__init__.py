"""Services without requests: workers and their queues, and scheduled jobs."""
