"""A fake Foursquare and a fake Instagram to try the pipeline by hand: `make fakes`, or `python -m tests.fakes`.

Prints what to paste into another terminal, then a line per 100 requests; Ctrl-C ends it and prints what was asked.
Lines typed here change the world meanwhile: see WORLD. Nothing leaves this machine, and nothing of it is real.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from tests.fakes.fakeville import CITY, fail_sometimes, fakeville_pois, fakeville_world, write_fakeville
from tests.fakes.foursquare_server import FakeFoursquare
from tests.fakes.http_server import Answer, FakeServer
from tests.fakes.instagram_server import FakeInstagram

LOG_EVERY = 100
SORRY = Answer.html("<html><title>Sorry, something went wrong</title></html>")
BUSY = Answer(status=429, headers={"Retry-After": "120"})
WORLD: dict[str, tuple[str, Callable[[FakeInstagram], object]]] = {
    "ill": ("the host of pictures answers a page", lambda server: server.fail("^/media/", SORRY, times=None)),
    "busy": ("the host of pictures wants two minutes", lambda server: server.fail("^/media/", BUSY, times=None)),
    "break": ("the next second page is of no known shape", lambda server: server.fail("/sections/", SORRY)),
    "new": (
        "each place has 60 new posts",
        lambda server: [server.world.add_post(place) for place in server.world.places for _ in range(60)],
    ),
    "well": ("all is well again", lambda server: server.faults.clear()),
}
"""A word to type -> what it does."""


def options() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    parser.add_argument("--instagram-port", type=int, default=8931)
    parser.add_argument("--foursquare-port", type=int, default=8932)
    parser.add_argument("--places", type=int, default=6, help="places that both know")
    parser.add_argument("--posts", type=int, default=60, help="posts of each place")
    parser.add_argument("--fail-percent", type=float, default=0, help="of all requests so many go wrong")
    parser.add_argument("--slow", action="store_true", help="the paces of a real run, 8 requests a minute")
    parser.add_argument("--folder", type=Path, help="for cities.yaml, cookies and data; by default a temporary one")
    return parser.parse_args()


def main() -> None:
    """Serve until Ctrl-C."""
    stated = options()
    folder = (stated.folder or Path(tempfile.mkdtemp(prefix="mrlf-fakes-"))).absolute()
    world = fakeville_world(stated.places, stated.posts)
    instagram = FakeInstagram(world, stated.instagram_port)
    foursquare = FakeFoursquare(fakeville_pois(stated.places), port=stated.foursquare_port)
    with instagram, foursquare:
        for server in (instagram, foursquare):
            fail_sometimes(server, stated.fail_percent)
        variables = write_fakeville(folder, world, is_slow=stated.slow)
        variables |= {"MRLF_INSTAGRAM_URL": instagram.url, "MRLF_FOURSQUARE_URL": foursquare.url}
        print(f"# {stated.places} places with {stated.posts} posts each; paste this into another terminal:")
        print("\n".join(f"export {name}={value}" for name, value in variables.items()))
        words = [f"#   {word:<6} {meaning}" for word, (meaning, _) in WORLD.items()]
        print(f"mrlf collect {CITY}", "# words to type here:", *words, sep="\n")
        print("# Ctrl-C here ends the servers", flush=True)
        Thread(target=_change, args=(instagram,), daemon=True).start()
        try:
            _watch(instagram, foursquare)
        except KeyboardInterrupt:
            print("\n# asked:")
            for title, server in (("Instagram", instagram), ("Foursquare", foursquare)):
                for what, count in _asked(server).most_common():
                    print(f"#   {title:<11} {what:<40} {count:,}")
    print(f"# {folder} stays: remove it by hand")


def _change(instagram: FakeInstagram) -> None:
    """Change the world as the lines of the terminal say."""
    for line in sys.stdin:
        meaning, change = WORLD.get(line.strip(), ("no such word: " + ", ".join(WORLD), lambda server: None))
        change(instagram)
        print(f"# {meaning}", flush=True)


def _watch(*servers: FakeServer) -> None:
    """Tell now and then how many requests came."""
    stated = 0
    while True:
        time.sleep(0.5)
        num_requests = sum(len(server.requests) for server in servers)
        if num_requests // LOG_EVERY > stated:
            stated = num_requests // LOG_EVERY
            print(f"# {num_requests:,} requests", flush=True)


def _asked(server: FakeServer) -> Counter[str]:
    """Requests by kind: ids of places, posts and pictures are left out."""
    return Counter(
        f"{request.method} {re.sub(r'/[0-9][^/]*', '/...', request.path)}" for request in list(server.requests)
    )


if __name__ == "__main__":
    main()
