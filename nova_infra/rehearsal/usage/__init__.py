"""The processor time and memory of a task: how they are measured, projected, and put under pressure."""
