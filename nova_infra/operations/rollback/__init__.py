"""Rolling back to a verified release."""
