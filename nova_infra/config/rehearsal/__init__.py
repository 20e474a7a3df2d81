"""The keys of ``nova.toml`` that only the rehearsal reads: containers that it starts beside the services."""
