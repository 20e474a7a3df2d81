"""Where faults were written, and what can be told of services beside those that hide it."""
