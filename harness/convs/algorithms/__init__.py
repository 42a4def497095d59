"""Algorithms: how a convolution is computed. The table is that of harness.convs."""
