"""Reports about environments: status, explain, brief, doctor."""
