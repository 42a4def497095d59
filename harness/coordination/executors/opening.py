"""From an executor's name and options to the executor."""

from collections.abc import Callable

from harness.coordination.executors import EXECUTORS
from harness.coordination.executors.contract import Executor
from harness.errors import UserError
from harness.places import Places
from harness.registry import hint
from harness.settings import Settings, Site


def open_executor(
    site: Site, places: Places, settings: Settings, note: Callable[[str], None]
) -> Executor:
    """The executor of a site.

    Raises:
        UserError: a wrong name, an option that it does not have, a package that is not installed.
    """
    name = site.executor
    try:
        allowed = list(EXECUTORS.options(name))
    except ModuleNotFoundError as error:
        raise UserError(
            f"executor {name!r}: {error.name} is missing; pip install 'twostream-harness[{name}]'"
        ) from None
    for option in site.options:
        if option not in allowed:
            raise UserError(f"executor {name!r} has no option {option!r}; {hint(option, allowed)}")
    executor: Executor = EXECUTORS[name](places, settings, note, **site.options)
    return executor
