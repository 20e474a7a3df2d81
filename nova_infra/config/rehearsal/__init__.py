"""What only the rehearsal reads of nova.toml: the containers that it starts beside the services."""
