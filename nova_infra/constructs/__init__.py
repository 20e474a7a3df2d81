"""The reusable constructs: what each environment and service is made of."""
