"""Posts per second of the stage posts at a fake Instagram without pauses, beside Instaloader's own loop.

Peer: `Instaloader.download_location` at the same server and the same posts of one photo each, as it is used for this:
pictures and metadata into a folder, no videos, no sleeping, a rate controller that never waits, and its JSON left
uncompressed, which is the faster way. Ours is the whole stage: journal, pictures, pseudonyms, tables, digests, record.
The real Instagram answers neither faster than its limits allow: this is about what the client itself costs.
"""

import tempfile
import time
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from bench.live_server import PHOTOS_ONLY, LiveServer, bench_town, empty_town
from bench.result import interleaved, print_result
from tests.fakes.live_town import LiveTown

NUM_PLACES = 5
NUM_POSTS = 200
INSTAGRAM = "https://www.instagram.com"


class ToFake(HTTPAdapter):
    """Sends what is meant for Instagram to the fake."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.fake_url = url

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        """Send it to the other address."""
        assert request.url is not None
        request.url = request.url.replace(INSTAGRAM, self.fake_url, 1)
        return super().send(request, *args, **options)


def run_instaloader(server: LiveServer, location_ids: list[str]) -> float:
    """Posts per second of Instaloader."""
    from instaloader import Instaloader, RateController

    class NoPauses(RateController):
        """Never waits."""

        def wait_before_query(self, query_type: str) -> None:
            """Nothing."""

    with tempfile.TemporaryDirectory(prefix="mrlf-bench-") as folder:
        loader = Instaloader(
            sleep=False,
            quiet=True,
            rate_controller=NoPauses,
            dirname_pattern=f"{folder}/{{target}}",
            download_videos=False,
            compress_json=False,
        )
        loader.context.load_session("nobody", server.world.cookies())
        loader.context._session.mount(f"{INSTAGRAM}/", ToFake(server.url))
        started = time.perf_counter()
        for location_id in location_ids:
            loader.download_location(location_id)
        return NUM_PLACES * NUM_POSTS / (time.perf_counter() - started)


def run_stage(town: LiveTown) -> float:
    """Posts per second of the stage posts over an empty store."""
    empty_town(town)
    town.find()
    town.server.forget()
    started = time.perf_counter()
    report = town.collect()
    seconds = time.perf_counter() - started
    assert report.counts["kept"] == NUM_PLACES * NUM_POSTS, report.counts
    return NUM_PLACES * NUM_POSTS / seconds


def requests_per_post(server: LiveServer) -> float:
    """All requests since the last `forget`, those for pictures among them."""
    return server.num_requests() / (NUM_PLACES * NUM_POSTS)


def main() -> None:
    """Five rounds of each, in turn."""
    place = dict(PHOTOS_ONLY)
    with LiveServer() as server, bench_town(server, num_places=NUM_PLACES, num_posts=NUM_POSTS, place=place) as town:
        location_ids = [str(1000 + number) for number in range(NUM_PLACES)]
        run_stage(town)  # warm-up, and how much it asks
        ours_asked = requests_per_post(server)
        server.forget()
        run_instaloader(server, location_ids)
        peer_asked = requests_per_post(server)
        ours, peer = interleaved(lambda: run_stage(town), lambda: run_instaloader(server, location_ids), num_runs=5)
    print(f"stage posts   {ours:8.1f} posts/s, {ours_asked:.3f} requests a post")
    print(f"Instaloader   {peer:8.1f} posts/s, {peer_asked:.3f} requests a post")
    print_result("crawl_requests", ours=ours_asked, peer=peer_asked, unit="requests/post", is_more_better=False)
    print_result("crawl", ours=ours, peer=peer, unit="posts/s", is_more_better=True)


if __name__ == "__main__":
    main()
