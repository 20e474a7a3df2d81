"""What is shown of a rehearsal: live, at its end, and as a page."""
