"""What single AWS services refuse in a resource: sizes, values, limits and permissions."""
