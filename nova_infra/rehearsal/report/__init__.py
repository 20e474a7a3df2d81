"""How a rehearsal is shown: live, at its end, and as a page."""
