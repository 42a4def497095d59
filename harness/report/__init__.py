"""From records to tables and pages: pure functions that need no torch and no clock.

The same records give the same bytes, on any machine. Nothing here is read from W&B.
"""
