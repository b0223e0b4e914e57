"""A real PostgreSQL of this machine in a folder of its own, started as the image's entry point starts it."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

NEEDED = "needs PostgreSQL: apt install postgresql"
OWNER = "postgres"


class Postgres:
    """A cluster in `folder`, which is also where its socket is; PostgreSQL refuses to run as root."""

    def __init__(self, programs: Path, folder: Path, port: int, database: Mapping[str, str]) -> None:
        self.programs, self.folder, self.port = programs, folder, port
        self._database = database
        self._user = OWNER if os.geteuid() == 0 else None

    def first_start(self) -> None:
        """The entry point on an empty volume: a cluster, and a server on the socket alone for making the database."""
        password = self.folder / "password"
        password.write_text(self._database["POSTGRES_PASSWORD"])
        if self._user is not None:
            shutil.chown(self.folder, self._user)
            shutil.chown(password, self._user)
        self._run(
            "initdb",
            "-D",
            "data",
            "-U",
            self._database["POSTGRES_USER"],
            "--pwfile=password",
            "--no-sync",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        )
        self.start("")
        user, made = self._database["POSTGRES_USER"], f"create database {self._database['POSTGRES_DB']}"
        self._run("psql", "-h", str(self.folder), "-p", str(self.port), "-U", user, "-d", "postgres", "-c", made)

    def start(self, addresses: str) -> None:
        """Start the server; no addresses: on the socket alone."""
        options = f"-F -k {self.folder} -p {self.port} -c listen_addresses={addresses}"
        self._run("pg_ctl", "-D", "data", "-o", options, "-l", "log", "-w", "start")

    def stop(self) -> None:
        """Stop the server."""
        self._run("pg_ctl", "-D", "data", "-m", "fast", "-w", "stop")

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self.programs / program, *words],
            cwd=self.folder,
            user=self._user,
            check=True,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        )


def programs() -> Path:
    """The folder of initdb and its neighbours; skips the test where there is none."""
    on_path = shutil.which("initdb")
    found = [on_path] if on_path else sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip(NEEDED)
    if os.geteuid() == 0 and OWNER not in {user.pw_name for user in pwd.getpwall()}:
        pytest.skip(f"{NEEDED} (root cannot run it, and there is no user {OWNER})")
    return Path(found[-1]).resolve().parent


@contextmanager
def postgres(port: int, database: Mapping[str, str]) -> Iterator[Postgres]:
    """A cluster that is stopped and removed at the end, however it ends."""
    found = programs()
    with tempfile.TemporaryDirectory(prefix="mrlf-postgres-") as folder:  # pytest's folders are closed to its owner
        server = Postgres(found, Path(folder), port, database)
        try:
            yield server
        finally:
            if (server.folder / "data/postmaster.pid").exists():
                server.stop()
