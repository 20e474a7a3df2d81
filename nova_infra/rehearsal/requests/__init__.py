"""The requests that the synthetic users send: from files, from OpenAPI documents, or from a service's paths."""
