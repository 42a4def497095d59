"""What the warm server imports: all that a training needs, so that its forks need import nothing.

What there is before a fork is never garbage. Looking for some takes a sixth of the import. Left to
the collector, each fork would look through it again, and by counting references copy most of its
pages: a quarter of a second a training.
"""

import gc
from importlib import import_module

gc.disable()
import_module("harness.execute")
gc.enable()
gc.freeze()
