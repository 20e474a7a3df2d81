"""The records of an environment's releases: ledger, holds, waivers, answers, scalings."""
