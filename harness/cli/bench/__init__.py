"""`harness bench`: what computing costs on this machine. One file a command."""

COMMANDS = ("convs", "models")
SUMMARY = """Time our convolutions, and networks with them, against every path of PyTorch.

Calls take turns, so that what disturbs one disturbs all; a table gives medians with quartiles. With
one thread it is the CPU time of a pinned thread; with more it is wall time, whose ratios are
withheld while the machine is busy.
"""
