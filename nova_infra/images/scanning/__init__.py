"""Scanning an image on this machine, before it is pushed."""
