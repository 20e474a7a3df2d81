"""Logs, alerts, messages about rollouts, and the dashboard of an environment."""
