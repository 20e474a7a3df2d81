"""What people read about environments: status, explain, brief, doctor."""
