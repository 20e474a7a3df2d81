"""What the project relies on AWS and CDK to do: the rows, and the experiments that settle them."""
