"""The container engine of this machine, Docker or Podman, and what is asked of it."""
