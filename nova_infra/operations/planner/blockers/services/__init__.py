"""What one service of AWS refuses by rules of its own: policies, functions, databases."""
