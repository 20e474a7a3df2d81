"""What delivers: the pipeline's steps, its permissions, registries and roles."""
