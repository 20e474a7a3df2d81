"""What a service is: its image and container, how it runs, and what only a web service, a worker or a job has."""
