"""Steers a rollout: shows it while it happens, answers its gates, and stops it."""
