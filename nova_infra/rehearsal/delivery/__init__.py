"""What delivers a release, as its template states it: a pipeline, or a workflow of GitHub Actions."""
