"""A web service: its task, rollout, alarms, scaling and dashboard."""
