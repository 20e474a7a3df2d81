"""What CloudFormation refuses in a stack: its state, names and references, and changes to what others use."""
