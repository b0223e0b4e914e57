"""docker-compose.yml's services as processes of this machine: their own commands, environments, mounts, health checks.

Law: what differs from the containers stands in one table, `Containers._differs`. Nothing else of a command or an
environment is touched, and nothing of the test's own environment reaches a process.
Covered: order and conditions of the start, what each service sees of the volumes and of the host's files, the image's
files as `.dockerignore` sends them, stopping within the grace period. Not covered: the engine, its networks, rights
and limits, and that the root is read-only: as `written_into_the_image` shows, nothing is written there.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.deploy.compose_file import Mount, Service, services
from tests.deploy.helpers import ROOT, free_port
from tests.deploy.image import copy_context, image_environment, import_as_built
from tests.deploy.postgres import Postgres

PATIENCE_S = 120.0
INTERVAL_S = 3.0  # a check of Dagster's takes a second of a processor
PORTS = ("3000", "4000", "5432")


class Containers:
    """A checkout with its `.env`, the image, volumes and, once they are up, the processes, all in `folder`."""

    def __init__(self, folder: Path, env_file: str, shell: Mapping[str, str]) -> None:
        self.folder, self.checkout, self.image = folder, folder / "checkout", folder / "image"
        self.ports = {port: free_port() for port in PORTS}
        self.server: Postgres  # set before anything is started
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.checkout.mkdir()
        for path in ROOT.iterdir():
            if path.name not in (".env", ".git", "data"):
                (self.checkout / path.name).symlink_to(path)
        (self.checkout / ".env").write_text(env_file)
        for name in ("app", "data", "dagster"):
            (self.image / name).mkdir(parents=True)
        copy_context(self.image / "app")
        import_as_built(self.image / "app")
        self.services: dict[str, Service] = services(self.checkout, shell)
        self._before = self._listing()

    def up(self) -> None:
        """Start the services one after the other, each when what it waits for is as it wants it."""
        done: set[tuple[str, str]] = set()
        for name, service in self.services.items():
            for other, condition in service.waits.items():
                if condition == "service_healthy" and (other, condition) not in done:
                    self.wait_until_healthy(other)
                    done.add((other, condition))
                assert (other, condition) in done, f"{name} waits for {other} to be {condition}"
            if name == "postgres":
                self.server.start("127.0.0.1")
            elif service.health:
                self.running[name] = self._start(service)
            else:
                self.run(name, *service.command)
                done.add((name, "service_completed_successfully"))

    def is_healthy(self, name: str) -> bool:
        """Whether a service's own health check passes now."""
        service = self.services[name]
        completed = subprocess.run(
            self._words(service, service.health),
            cwd=self.image / "app",
            capture_output=True,
            check=False,
            env=self._environment(service),
        )
        return completed.returncode == 0

    def wait_until_healthy(self, name: str) -> None:
        """Wait until the health check of a service passes."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_healthy(name):
            process = self.running.get(name)
            is_over = process is not None and process.poll() is not None
            assert not is_over and time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(INTERVAL_S)

    def run(self, name: str, *words: str, stdin: bytes = b"") -> str:
        """`docker compose exec SERVICE WORDS...`: what it printed; it must succeed."""
        service = self.services[name]
        completed = subprocess.run(
            self._words(service, words),
            cwd=self.image / "app",
            env=self._environment(service),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=2 * PATIENCE_S,
        )
        assert completed.returncode == 0, (
            f"{name}: {shlex.join(words)} ended with {completed.returncode}:\n{completed.stdout.decode()}"
        )
        return completed.stdout.decode()

    def stop(self) -> dict[str, int | None]:
        """`docker compose stop`: the statuses of the services, last started first; None where one had to be killed."""
        statuses: dict[str, int | None] = {}
        for name in reversed(list(self.running)):
            process = self.running.pop(name)
            process.send_signal(signal.SIGTERM)
            try:
                statuses[name] = process.wait(self.services[name].grace_s)
            except subprocess.TimeoutExpired:
                statuses[name] = None
            finally:
                _kill(process)
        return statuses

    def log(self, name: str) -> str:
        """What a service printed."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def volume(self, name: str) -> Path:
        """The folder of a named volume."""
        return self.folder / "volumes" / name

    def written_into_the_image(self) -> list[str]:
        """Files and folders that were not in the image."""
        return sorted(self._listing() - self._before)

    def _listing(self) -> set[str]:
        return {str(path.relative_to(self.image)) for path in self.image.rglob("*")}

    def _start(self, service: Service) -> subprocess.Popen[bytes]:
        with (self.folder / f"{service.name}.log").open("wb") as log:
            return subprocess.Popen(
                self._words(service, service.command),
                cwd=self.image / "app",
                env=self._environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _environment(self, service: Service) -> dict[str, str]:
        """The image's variables and the service's; besides, what stands for the image's own Python and user."""
        temporary = str(self._mapped(service)["/tmp"])  # noqa: S108
        here = self._words(service, [*image_environment().values(), *service.environment.values()])
        return {
            "PATH": f"{Path(sys.executable).parent}:{self.server.programs}:{os.defpath}",
            "PYTHONPATH": str(self.image / "app"),
            "TMPDIR": temporary,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PGHOST": str(self.server.folder),
            "PGPORT": str(self.ports["5432"]),
            **dict(zip([*image_environment(), *service.environment], here, strict=True)),
        }

    def _words(self, service: Service, words: Iterable[str]) -> list[str]:
        """The same words with what differs put in."""
        table = self._mapped(service)
        longest_first = "|".join(map(re.escape, sorted(table, key=len, reverse=True)))
        pattern = re.compile(rf"(?<![\w./-])(?:{longest_first})(?![\w.-])")
        return [pattern.sub(lambda match: str(table[match[0]]), word) for word in words]

    def _mapped(self, service: Service) -> dict[str, object]:
        mounted = {mount.target: self._source(mount) for mount in service.mounts}
        self._put_inside(service, mounted)
        return {**self._differs(service), **mounted}

    def _differs(self, service: Service) -> dict[str, object]:
        """All that is not as in the containers: where it listens, and where the image and the mounts lie."""
        temporary = self.folder / "tmp" / service.name
        temporary.mkdir(parents=True, exist_ok=True)
        return {
            "0.0.0.0": "127.0.0.1",  # noqa: S104
            "postgres": "127.0.0.1",
            "code": "127.0.0.1",
            **self.ports,
            "/app": self.image / "app",
            "/data": self.image / "data",
            "/dagster": self.image / "dagster",
            "/tmp": temporary,  # noqa: S108
        }

    def _source(self, mount: Mount) -> Path:
        if mount.is_of_the_host:
            return Path(mount.source)
        self.volume(mount.source).mkdir(parents=True, exist_ok=True)
        return self.volume(mount.source)

    def _put_inside(self, service: Service, mounted: dict[str, Path]) -> None:
        """A file that is mounted into a volume."""
        for mount in service.mounts:
            into = mounted.get(str(Path(mount.target).parent))
            if into is not None and not (into / Path(mount.target).name).exists():
                (into / Path(mount.target).name).symlink_to(mounted[mount.target])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a service, as the end of its container does."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
