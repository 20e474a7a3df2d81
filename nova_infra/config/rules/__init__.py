"""What no single value can show: contradictions, limits of AWS, weaknesses, addresses that lead nowhere."""
