"""Makes a new project: its questions, its files, its welcome."""
