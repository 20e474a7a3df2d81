"""A web service: its target groups, host names, alarms and canary."""
