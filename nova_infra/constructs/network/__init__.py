"""The network of an environment and the ways into it: load balancers and their firewall."""
