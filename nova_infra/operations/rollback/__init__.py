"""The way back to a verified release."""
