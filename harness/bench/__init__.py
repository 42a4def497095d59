"""What a network costs, and what this machine can do."""
