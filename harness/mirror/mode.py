"""Whether W&B is written to, and where: online for those who are logged in, else offline."""

import os
from netrc import NetrcParseError, netrc
from urllib.parse import urlsplit

from harness.errors import UserError
from harness.registry import hint

MODES = ("auto", "offline", "online", "disabled")
MEDIA = ("confusion", "clips")


def wandb_mode(asked: str) -> str:
    """`auto` is what WANDB_MODE says, else online for a user who is logged in, else offline."""
    if asked not in MODES:
        raise UserError(f"--wandb {asked!r}: {hint(asked, list(MODES))}")
    if asked != "auto":
        return asked
    said = os.environ.get("WANDB_MODE")
    if said and said not in MODES[1:]:
        raise UserError(f"WANDB_MODE={said!r}: {hint(said, list(MODES[1:]))}")
    return said or ("online" if logged_in() else "offline")


def media_of(asked: str) -> tuple[str, ...]:
    """The names in a list that is separated by commas.

    >>> media_of("confusion,clips")
    ('confusion', 'clips')
    """
    names = tuple(name.strip() for name in asked.split(",") if name.strip())
    for name in names:
        if name not in MEDIA:
            raise UserError(f"--media {name!r}: {hint(name, list(MEDIA))}")
    return names


def logged_in() -> bool:
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc().authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
