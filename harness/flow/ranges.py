"""Options of flow methods that OpenCV takes as they come, and computes nonsense from."""

from harness.errors import UserError


def more_than_zero(**values: float | int) -> None:
    """UserError for the first option that is not."""
    for name, value in values.items():
        if not value > 0:
            raise UserError(f"{name}: must be more than 0, got {value}")
