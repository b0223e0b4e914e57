"""The town's predictor behind real HTTP: in a thread of the test, or as a process that can write to no file.

By hand: `python -m tests.fakes.town_server` prints its port; each word NAME=VALUE changes one of `Limits`.
"""

import logging
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.predict.predictor import Predictor
from pipeline.serve.app import create_app
from pipeline.serve.limits import Limits
from pipeline.serve.run import listen, make_server
from tests.fakes.predictor import caption, picture, town_predictor


@contextmanager
def served(predictor: Predictor | None = None, *, coarse: bool = False, **limits) -> Iterator[str]:
    """The address of a server that runs in a thread until the end of the block."""
    chosen = Limits(**limits)
    server = make_server(create_app(predictor or town_predictor(), limits=chosen, coarse=coarse), chosen)
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            thread.join(0.01)
            assert thread.is_alive(), "the server did not start"
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


@dataclass(frozen=True)
class ServerProcess:
    """A server in a process of its own, whose folder for everything is `home`."""

    address: str
    pid: int
    home: Path
    log: Path

    def resident_mb(self) -> float:
        """Its memory now."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024

    def most_resident_mb(self) -> float:
        """The most memory it ever had."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


@contextmanager
def server_process(home: Path, **limits) -> Iterator[ServerProcess]:
    """A server that can write not one byte to a regular file; its log comes through a pipe and is written here."""
    words = [f"{name}={value}" for name, value in limits.items()]
    command = [sys.executable, "-m", "tests.fakes.town_server", *words]
    log = home.parent / "server.log"
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout and process.stderr
        with log.open("w") as kept:
            pump = threading.Thread(
                target=lambda: [print(line, end="", file=kept, flush=True) for line in process.stderr]
            )
            pump.start()
            port = process.stdout.readline().strip()
            try:
                yield ServerProcess(f"http://127.0.0.1:{port}", process.pid, home, log)
            finally:
                process.terminate()
                process.wait(20)
                pump.join(5)


def main(words: list[str]) -> None:
    """Serve until ended."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("mrlf").setLevel(logging.INFO)
    given = dict(word.split("=") for word in words)
    kinds = Limits.__dataclass_fields__
    limits = Limits(**{name: kinds[name].type(value) for name, value in given.items()})  # type: ignore[operator,misc]
    predictor = town_predictor()
    predictor.read(picture(0), caption(0))  # what is loaded late is loaded
    app = create_app(predictor, limits=limits)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with listen("127.0.0.1", 0) as listening:
        print(listening.getsockname()[1], flush=True)
        make_server(app, limits).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
