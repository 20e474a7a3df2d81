"""What the tests share that is neither a fixture nor a test."""
