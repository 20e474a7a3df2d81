"""Reports: each is written once, as a `Document`, and rendered in four formats."""
