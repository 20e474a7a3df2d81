"""The keys of ``nova.toml`` that only the rehearsal reads: containers that it starts alongside the services."""
