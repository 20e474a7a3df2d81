"""What CloudFormation or AWS would refuse of a plan: one module for each reason."""
