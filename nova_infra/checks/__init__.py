"""The rules that every synthesis holds the templates to."""
