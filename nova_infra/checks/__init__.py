"""The rules that every synthesis checks the templates against."""
