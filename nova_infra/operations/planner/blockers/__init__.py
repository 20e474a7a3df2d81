"""What CloudFormation or AWS would refuse in a plan: one module for each reason."""
