"""How long the command line takes to show its help, beside a bare `import typer`, the least that such a program pays.

Ours is `mrlf --help`. Beside it stand `mrlf predict --help`, and the same of a Typer program of two empty commands:
before it runs a command of several, Typer loads pydantic to check the words that came before it.
Wanted: at most 2.5 times the import; on an idle machine 0.5 and 0.6 s.
"""

import subprocess
import sys
import time
from statistics import median

from bench.result import print_result

WANTED = 2.5
NUM_RUNS = 15
PEER = "import typer"
EMPTY = """
import typer
app = typer.Typer(rich_markup_mode=None)
app.command("one")(lambda: None)
app.command("two")(lambda: None)
app()"""
COMMAND_LINE = "from pipeline.cli.app import app; app()"


def seconds(code: str, *words: str) -> float:
    """Wall seconds of a fresh interpreter running `code`."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """All four in turn, then the medians."""
    starts = {
        PEER: lambda: seconds(PEER),
        "mrlf --help": lambda: seconds(COMMAND_LINE, "--help"),
        "empty one --help": lambda: seconds(EMPTY, "one", "--help"),
        "mrlf predict --help": lambda: seconds(COMMAND_LINE, "predict", "--help"),
    }
    runs = [{name: start() for name, start in starts.items()} for _ in range(NUM_RUNS)]
    medians = {name: median(run[name] for run in runs) for name in starts}
    for name, taken_s in medians.items():
        print(f"{name:<20} {taken_s:.3f} s   {taken_s / medians[PEER]:.2f} times {PEER}")
    ratio = medians["mrlf --help"] / medians[PEER]
    print(f"wanted at most {WANTED}: {'ok' if ratio <= WANTED else 'MISSED'}")
    print_result("startup", ours=medians["mrlf --help"], peer=medians[PEER], unit="s", is_more_better=False)


if __name__ == "__main__":
    main()
