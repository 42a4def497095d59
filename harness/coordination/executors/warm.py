"""What the warm server imports: all that a training needs, so that its forks need import nothing.

What there is before a fork is never garbage. Left to the collector, each fork would look through it
again, and by counting references copy most of its pages: a quarter of a second a training.
"""

import gc

import harness.execute  # noqa: F401 (forks find it imported)

gc.collect()
gc.freeze()
