"""May a release start, and does an environment run what it should: preflight and verify."""
