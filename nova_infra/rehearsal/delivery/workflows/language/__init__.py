"""The language of a workflow: its syntax, its expressions and its triggers."""
