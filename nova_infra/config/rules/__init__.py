"""Rules that no single value can break: contradictions, AWS limits, weaknesses, dead addresses.

Each yields faults as the path of the key, what is wrong and what to do. It gets the environments and services that are
valid by themselves, by their place in the file, and services as they are in an environment.
"""
