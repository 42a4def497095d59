"""`harness data`: videos, before anything is trained on them. One file a command."""

COMMANDS = ("prepare", "verify", "list", "stats", "show", "import-flow")
SUMMARY = """Look at videos, verify them, decode them once.

DATASET is the name of a data set (`harness show datasets`), changed by `--set resize=112` and the
like, or an experiment or sweep file, whose data sections are used.
"""
