"""Where Optuna keeps its trials, by URL: a journal beside the records, a database, or a proxy.

journal                                   the default: runs/<plan>/study.journal
journal:PATH                              a journal elsewhere
postgresql://user:password@host/database  needs the extra `postgresql`
mysql://user:password@host/database       needs the extra `mysql`
sqlite:///PATH                            fit for one writer, which the coordinator is
grpc://host:port                          Optuna's storage proxy; needs the extra `grpc`
"""

import json
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, GrpcStorageProxy, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileOpenLock
from optuna.study import StudyDirection

from harness.errors import UserError
from harness.files import write_atomic
from harness.registry import hint
from harness.results.secrets import HIDDEN, redact
from harness.search.journal import Unsynced
from harness.search.patience import Meanwhile, Note, first_line, nobody_answers, patient

DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "sqlite": "sqlite"}
# A host that vanishes without a word is noticed within a minute.
NOTICE: dict[str, dict[str, Any]] = {
    "postgresql": {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    },
    "mysql": {"connect_timeout": 10, "read_timeout": 60, "write_timeout": 60},
    "sqlite": {"timeout": 60},
}

Opened = tuple[BaseStorage, Callable[[], None]]  # and how its connections are closed


@contextmanager
def open_storage(
    url: str, folder: Path, *, meanwhile: Meanwhile, note: Note
) -> Iterator[BaseStorage]:
    """The storage of the plan in `folder`; its connections end with the context.

    Raises:
        UserError: a URL of no kind, a driver that is not installed, a server that is not there.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "journal" and bool(colon) == bool(rest):
        own = cast("BaseStorage", Own(journal_file(Path(rest)), mark(folder))) if rest else None
        yield own or journal(folder)
        return
    kind = scheme.partition("+")[0]
    opener = OPENERS.get(kind) if colon else None
    if opener is None:
        raise UserError(f"storage {shown(url)!r}: {hint(kind, ['journal', *OPENERS])}")
    try:
        storage, close = opener(url)
    except ImportError as error:
        extra = f"pip install 'twostream-harness[{kind}]'"
        raise UserError(f"storage {shown(url)}: {error.name or kind} is missing; {extra}") from None
    except Exception as error:
        if not nobody_answers(error):
            raise
        reason = first_line(error).replace(_password(url) or url, HIDDEN)
        raise UserError(f"storage {shown(url)} cannot be opened: {reason}") from None
    awaited = patient(storage, shown(url), meanwhile=meanwhile, note=note)
    try:
        yield cast("BaseStorage", Own(awaited, mark(folder)))
    finally:
        close()


def shown(url: str) -> str:
    """A URL without its password.

    >>> shown("postgresql://me:a%40b@host/db?password=c"), shown("mysql://:secret@host/db")
    ('postgresql://me:[hidden]@host/db?password=[hidden]', 'mysql://:[hidden]@host/db')
    """
    return str(redact(url))


def database(url: str) -> Opened:
    scheme, _, rest = url.partition(":")
    kind = scheme.partition("+")[0]
    given = parse_qs(urlsplit(url).query)
    connect = {name: value for name, value in NOTICE[kind].items() if name not in given}
    ours = DRIVERS[kind] if scheme in DRIVERS else scheme
    if ours != DRIVERS[kind]:  # of a driver that the user chose we know no arguments
        connect = {}
    engine = {"pool_pre_ping": True, "connect_args": connect}
    storage = RDBStorage(f"{ours}:{rest}", engine_kwargs=engine)

    def close() -> None:
        storage.remove_session()
        storage.engine.dispose()

    return get_storage(storage), close


def proxy(url: str) -> Opened:
    if find_spec("grpc") is None:  # Optuna looks for it at the first call
        raise ModuleNotFoundError(name="grpc")
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise UserError(f"storage {shown(url)!r}: a proxy is grpc://host:port")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = GrpcStorageProxy(host=parts.hostname, port=parts.port)
    storage.wait_server_ready(timeout=10)
    return storage, storage.close


OPENERS: dict[str, Callable[[str], Opened]] = {
    "postgresql": database,
    "mysql": database,
    "sqlite": database,
    "grpc": proxy,
}


class Own:
    """A plan's part of a storage that others use too: its studies' names end in its mark.

    Else the same sweep, begun in two folders, would be one study with two writers.
    """

    def __init__(self, storage: BaseStorage, mark: str) -> None:
        self._storage, self._end = storage, f" | {mark}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str) -> int:
        return self._storage.create_new_study(directions, study_name + self._end)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._storage.get_study_id_from_name(study_name + self._end)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._storage.get_study_name_from_id(study_id).removesuffix(self._end)


def mark(folder: Path) -> str:
    """Made once for a plan's folder, and kept in it."""
    path = folder / "study.mark"
    write_atomic(path, uuid.uuid4().hex[:12].encode(), replace=False)
    return path.read_text()


def journal(folder: Path) -> BaseStorage:
    """The journal of a plan, in its folder, which the caller owns.

    So whoever holds the journal's own lock is gone: Optuna would wait for it for 30 s. A journal
    elsewhere may be shared, and there it does.
    """
    for lock in folder.glob("study.journal.lock*"):  # also one whose removal was cut short
        lock.unlink()
    return journal_file(folder / "study.journal")


def journal_file(path: Path) -> BaseStorage:
    """A journal; a damaged one is set aside and filled again from the history."""
    if path.is_file() and not _whole(path):
        _set_aside(path)
    return JournalStorage(Unsynced(str(path), lock_obj=JournalFileOpenLock(str(path))))


def _whole(path: Path) -> bool:
    """Whether every line can be read; a kill or a full disk may have cut the last one."""
    content = path.read_bytes()
    try:
        for line in content.splitlines():
            json.loads(line)
    except ValueError:
        return False
    return not content or content.endswith(b"\n")


def _set_aside(path: Path) -> None:
    number = 1
    while path.with_name(f"{path.name}.broken-{number}").exists():
        number += 1
    path.rename(path.with_name(f"{path.name}.broken-{number}"))


def _password(url: str) -> str:
    return unquote(urlsplit(url).password or "")
