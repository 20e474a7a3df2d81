"""CloudFormation: templates, their functions, and which properties are played."""
