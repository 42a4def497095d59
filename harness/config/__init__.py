"""YAML files as typed sections, with the file and line of every value."""
