"""Decides which services a request needs, calls them, and tells every step; also serves the console page."""
