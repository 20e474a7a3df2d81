"""What a terminal shows while a rehearsal runs."""
