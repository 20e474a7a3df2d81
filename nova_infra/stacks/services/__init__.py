"""The stacks of single services: what a web service, a worker and a job run in, and a service's own resources."""
