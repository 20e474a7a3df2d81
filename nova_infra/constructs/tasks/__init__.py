"""What one task runs and may do, and how many tasks there are: the same for every kind of service."""
