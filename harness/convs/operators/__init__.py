"""Operators: which function a convolution is replaced by. The table is that of harness.convs."""
