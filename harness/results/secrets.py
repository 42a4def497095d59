"""What must not leave the machine: passwords, keys and tokens, by name and by value.

A value is a secret if its key says so, if it stands in a URL as `user:password@` or
`?password=`, or if it equals the value of an environment variable whose name says so.
"""

import os
import re
from typing import Any

NAMES = re.compile(r"(^|_)(api_?key|key_id|token|secret|password|passwd|credential)s?($|_)", re.I)
IN_URL = re.compile(r"(\w+://[^\s/:@]*:)\S+@")  # a password may hold / and @
IN_QUERY = re.compile(r"([?&]\w*(?:password|passwd|token|secret)=)[^\s&#]+", re.I)
HIDDEN = "[hidden]"


def redact(value: Any) -> Any:
    """A copy without secrets.

    >>> redact({"api_key": "abc", "storage": "postgresql://me:pw@host/db", "lr": 0.1})
    {'api_key': '[hidden]', 'storage': 'postgresql://me:[hidden]@host/db', 'lr': 0.1}
    >>> redact("mysql://me:p@s/s@host/db?sslpassword=x&a=1")
    'mysql://me:[hidden]@host/db?sslpassword=[hidden]&a=1'
    """
    return _redact(value, _from_environment())


def _from_environment() -> list[str]:
    """Secret values, longest first; short ones would blot out innocent text."""
    values = [v for name, v in os.environ.items() if NAMES.search(name) and len(v) >= 8]
    return sorted(values, key=len, reverse=True)


def _redact(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, dict):
        return {
            k: HIDDEN if NAMES.search(str(k)) and isinstance(v, str) else _redact(v, secrets)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redact(item, secrets) for item in value]
    if isinstance(value, str):
        value = IN_QUERY.sub(rf"\1{HIDDEN}", IN_URL.sub(rf"\1{HIDDEN}@", value))
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
    return value
