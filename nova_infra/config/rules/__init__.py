"""Rules that no single value can break: contradictions, AWS limits, weaknesses, dead addresses."""
