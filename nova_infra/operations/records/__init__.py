"""What is written down of an environment's releases: ledger, holds, waivers."""
