"""ECS tasks on this machine: containers of their images, or processes of their sources."""
