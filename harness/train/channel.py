"""What a training and the one who asked for it say to each other. No torch: both ends use it."""

from collections.abc import Callable, Mapping

# The coordinator's end: (event, facts) -> whether to go on.
Channel = Callable[[str, Mapping[str, object]], bool]


class StoppedError(Exception):
    """Asked to stop, or the one who asked for the training is gone; the checkpoint stays."""
