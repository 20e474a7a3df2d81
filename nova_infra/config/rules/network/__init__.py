"""What contradicts itself in the network that an environment is in."""
