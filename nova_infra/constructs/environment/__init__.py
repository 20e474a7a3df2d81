"""What the services of an environment share: network, way in, logs, alerts."""
