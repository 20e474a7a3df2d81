"""The container engine of this machine, Docker or Podman, and what Nova uses it for."""
