"""What the project relies on AWS and CDK to do: the rows, the page of them, and the experiments that settle them."""
