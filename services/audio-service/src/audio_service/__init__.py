"""Measures uploaded sound: level, loudness and the outline of its waveform."""
