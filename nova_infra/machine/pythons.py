"""The Python versions that the project supports, and the one that images and the pipeline's steps run.

Set-up's script, GitHub's set-up action, the Dockerfiles and the type checker cannot read this module: a test holds them
to it. CodeBuild's build specs are made from it.
"""

SUPPORTED = ("3.11", "3.12", "3.13")
"""What the tests pass with, oldest first."""
DELIVERED = "3.13"
"""What the images run, and what both engines test with before they deliver."""
