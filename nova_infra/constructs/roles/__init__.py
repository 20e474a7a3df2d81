"""The IAM roles that people, GitHub jobs and release tools assume."""
