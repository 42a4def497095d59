"""The warm server: what its forks need not do again."""

import gc
import sys

from harness.coordination.executors.local import Local
from harness.errors import UserError
from harness.places import Places
from harness.settings import Settings


def count() -> None:
    """Say, as the only thing that comes back, what there is in a fork."""
    raise UserError(f"{gc.get_freeze_count()} {'harness.execute' in sys.modules}")


def test_forks_have_all_imported_and_none_of_it_is_looked_through_for_garbage(tmp_path):
    try:
        Local(Places(runs=tmp_path), Settings(device="cpu")).ask(count)
    except UserError as said:
        frozen, imported = str(said).split()
    assert imported == "True"
    assert int(frozen) > 100_000
