"""Where faults were written, and what is still known of other services."""
