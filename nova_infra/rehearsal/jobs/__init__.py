"""Jobs: the state machines that start, watch and stop their runs, played as they are written."""
