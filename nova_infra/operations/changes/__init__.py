"""What a release would change: templates, policies and the network, compared."""
