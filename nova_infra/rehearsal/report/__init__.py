"""The outcome of a rehearsal: the verdict, what it rests on, the summary, and the HTML page."""
