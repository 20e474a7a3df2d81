"""The pipeline: what its template states, and how it is played."""
