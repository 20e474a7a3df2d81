"""Nova: the delivery of container services from a git push to production on AWS."""
