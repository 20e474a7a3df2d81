"""What a rehearsal comes to: the verdict, what it rests on, the summary, and the HTML page."""
