"""Training and evaluation of one cell with Lightning."""
