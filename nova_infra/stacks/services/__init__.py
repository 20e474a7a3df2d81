"""The stacks of single services: web service, worker, job, and their own resources."""
