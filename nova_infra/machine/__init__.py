"""The machine that Nova runs on: processes, git, threads, the terminal, Python and the project's tools."""
