"""What a task fills up: its disk, and whatever grows by time alone."""
