"""What CloudFormation refuses of a stack: its state, its names, its references and what others use of it."""
