"""Data sets made ready, and looked at, for their own sake: what `harness data` does."""
