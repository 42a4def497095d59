"""Real servers for the tests of storages: started on a free port in a temporary folder."""

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

PASSWORD = "s3cret-Of-The-Test"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Postgres:
    """A PostgreSQL server; as root it runs as another user, since it refuses to be root's."""

    def __init__(self, folder: Path) -> None:
        self.binaries = _binaries()
        self.folder, self.port = folder / "postgres", free_port()
        self.folder.mkdir()
        self._as = _unprivileged(self.folder) if os.geteuid() == 0 else {}
        password = self.folder / "password"
        password.write_text(PASSWORD)
        initdb = [
            self.binaries / "initdb", "-D", self.folder / "data", "-U", "harness", "-N",
            "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C",
        ]  # fmt: skip
        made = subprocess.run(initdb, capture_output=True, text=True, check=False, **self._as)
        assert made.returncode == 0, made.stderr
        self._server: subprocess.Popen | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://harness:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        command = [
            self.binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port),
            "-h", "127.0.0.1", "-k", "", "-c", "fsync=off",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stderr=log, **self._as)
        wait_for_port(self.port, self._server)

    def kill(self) -> None:
        """The server and all that it forked, at once; each of them works in the data folder."""
        if self._server is None:
            return
        for pid in _at_work_in(self.folder / "data"):
            os.kill(pid, signal.SIGKILL)
        self._server.wait()
        while _at_work_in(self.folder / "data"):  # else the next start would find them alive
            time.sleep(0.02)
        self._server = None
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)


class MariaDB:
    """A MariaDB server, which speaks MySQL's language."""

    def __init__(self, folder: Path) -> None:
        install, self.binary = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
        if not install or not self.binary:
            pytest.skip("no MariaDB server here: apt-get install mariadb-server")
        self.folder, self.port = folder / "mariadb", free_port()
        self.folder.mkdir()
        self._as = _unprivileged(self.folder) if os.geteuid() == 0 else {}
        (self.folder / "first.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS trials;\n"
            f"CREATE USER IF NOT EXISTS harness@localhost IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON trials.* TO harness@localhost;\n"
        )
        made = subprocess.run(
            [install, "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db"],
            capture_output=True, text=True, check=False, **self._as,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        self._server: subprocess.Popen | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mysql://harness:{PASSWORD}@127.0.0.1:{self.port}/trials"

    def start(self) -> None:
        command = [
            self.binary, "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--socket={self.folder}/socket",
            f"--init-file={self.folder}/first.sql", "--innodb-flush-log-at-trx-commit=1",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(command, stderr=log, stdout=log, **self._as)
        wait_for_port(self.port, self._server)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None


def wait_for_port(port: int, server: subprocess.Popen) -> None:
    while server.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the server has ended with {server.returncode}")


def _binaries() -> Path:
    """Debian keeps them off the path, a folder a version."""
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder
    pytest.skip("no PostgreSQL server here: apt-get install postgresql")


def _unprivileged(folder: Path) -> dict[str, int]:
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:  # pytest keeps its folders to their owner
        if parent.stat().st_mode & 0o001 == 0 and parent.stat().st_uid == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    return {"user": user.pw_uid, "group": user.pw_gid}


def _at_work_in(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


class Proxy:
    """Optuna's gRPC proxy, in a process of its own, before a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._server: subprocess.Popen | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = (
            "from optuna.storages import RDBStorage, run_grpc_proxy_server\n"
            f"run_grpc_proxy_server(RDBStorage('sqlite:///{self.folder}/proxy.db'),"
            f" host='127.0.0.1', port={self.port})\n"
        )
        command = [sys.executable, "-c", program]
        self._server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self._server)

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None


class RayCluster:
    """Nodes of a Ray cluster, each what `ray start` makes of a machine; all of them are this one.

    `environment` is what a program needs that is to find it: a token, and a folder of its own,
    since Ray keeps the address of the latest cluster in one that all share.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets have long names in it
        self.environment = os.environ | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_TMPDIR": str(self.folder),
            "RAY_health_check_period_ms": "1000",  # a lost node is missed within seconds
            "RAY_health_check_failure_threshold": "3",
        }
        self._nodes: list[subprocess.Popen] = []
        self.address = ""

    def start(self) -> None:
        ports = (f"--port={free_port()}", f"--ray-client-server-port={free_port()}")
        self._start("--head", *ports, "--include-dashboard=false")
        found = re.search(r"address='([\d.:]+)'", self._said(0))
        assert found, self._said(0)
        self.address = found[1]

    def add(self) -> subprocess.Popen:
        return self._start(f"--address={self.address}")

    def kill(self, node: subprocess.Popen) -> None:
        """Everything of a node at once, as when its machine loses power."""
        node.send_signal(signal.SIGSTOP)
        for pid in reversed(descendants(node.pid)):
            os.kill(pid, signal.SIGKILL)
        node.kill()
        node.wait()

    def close(self) -> None:
        for node in reversed(self._nodes):
            if node.poll() is None:
                self.kill(node)
        shutil.rmtree(self.folder)

    def _start(self, *options: str) -> subprocess.Popen:
        """Until it says that it is there."""
        number = len(self._nodes)
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", *options, "--block",
            "--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats",
        ]  # fmt: skip
        with (self.folder / f"{number}.log").open("wb") as log:
            node = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        self._nodes.append(node)
        while "will now block forever" not in self._said(number):  # the last that it says
            assert node.poll() is None, self._said(number)
            time.sleep(0.05)
        return node

    def _said(self, number: int) -> str:
        return (self.folder / f"{number}.log").read_text()


def descendants(pid: int) -> list[int]:
    """Parents before their children."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_text()
        except OSError:  # it has ended
            continue
        children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(process.name))
    found, left = [], [pid]
    while left:
        left += (below := children.get(left.pop(0), []))
        found += below
    return found
