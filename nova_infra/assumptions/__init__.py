"""What the project relies on AWS and CDK to do: the rows, their page, and the experiments that settle them."""
