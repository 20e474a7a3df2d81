"""Rules for single services: what fits their kind, their queues, and what is around their container."""
