"""Has an environment's test suite answer for new revisions: leads it to them, runs it, and sees that it met them."""
