"""The experiments, by what they are about."""
