"""What single services of AWS refuse of a resource: sizes, values, limits and permissions."""
