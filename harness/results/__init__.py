"""Records: what a run leaves for others."""
