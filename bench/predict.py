"""Posts per second and p50/p99 of /predict at 16 clients, beside the same networks called in a bare loop.

The city's last model on its own test posts (picture and caption each), through a real server in a process of its own
over HTTP, clients in another. The bare loop is what one would write in a notebook: per post decode, picture network,
network, one after the other, in a process of its own. Both are warm and take turns on all cores of this machine.
Wanted: at least 0.8 of the loop. `python -m bench.predict --city demo` wants the demo city built (`make demo`).
"""

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from bench.result import print_result
from pipeline.store import Store

WANTED = 0.8
BOUNDARY = b"----bench"


@dataclass(frozen=True)
class Post:
    """One question as a client has it."""

    picture: bytes
    caption: str

    def body(self) -> bytes:
        """The form."""
        parts = (
            (b'name="caption"', self.caption.encode()),
            (b'name="image"; filename="photo.jpg"', self.picture),
        )
        parts_sent = b"".join(
            b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (BOUNDARY, head, data)
            for head, data in parts
        )
        return parts_sent + b"--%s--\r\n" % BOUNDARY


def test_posts(store: Store, city: str, count: int) -> list[Post]:
    """Posts of the test split with their pictures, the first ones again where there are too few."""
    from pipeline.release.read import latest_release

    rows = [row for row in latest_release(store, city).posts.to_pylist() if row["split"] == "test"]
    posts = [
        Post(
            store.blobs.get("clean", row["clean_digest"]),
            " ".join([row["caption"], *(f"#{tag}" for tag in row["hashtags"])]),
        )
        for row in rows
    ]
    return [posts[number % len(posts)] for number in range(count)]


def bare_loop(city: str, posts: list[Post], pipe: Connection) -> None:
    """In a process of its own: at each word, all posts one by one; answers the seconds."""
    from pipeline.picture_bytes import decode_picture
    from pipeline.predict.loading import load_predictor
    from pipeline.predict.predictor import Question

    predictor = load_predictor(Store.open(), city)
    texts = [predictor.read(None, post.caption) for post in posts]

    def ask(post: Post, text: Question) -> int:
        picture = decode_picture(post.picture, predictor.backbone.input_side_px)
        question = Question(picture=picture, caption=text.caption, hashtags=text.hashtags, unknown_hashtags=())
        return int(predictor.model.predict_proba(predictor.samples([question])).argmax())

    answers = [ask(post, text) for post, text in zip(posts, texts, strict=True)]
    pipe.send([predictor.places.labels[row]["name"] for row in answers])
    while pipe.recv():
        started = time.perf_counter()
        for post, text in zip(posts, texts, strict=True):
            ask(post, text)
        pipe.send(time.perf_counter() - started)


@contextlib.contextmanager
def served(city: str) -> Iterator[int]:
    """The port of `mrlf serve`."""
    command = [sys.executable, "-c", "from pipeline.cli.app import app; app()", "serve", city, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if line.startswith("serving"))
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            yield int(line.split(":")[2].split()[0])
        finally:
            process.terminate()


def clients(port: int, bodies: list[bytes], num_clients: int, pipe: Connection) -> None:
    """In a process of its own: at each word, all questions by so many clients; answers seconds and latencies."""
    local = threading.local()
    this_round = [0]

    def ask(body: bytes) -> tuple[float, str]:
        if getattr(local, "round", None) != this_round[0]:  # the server hangs up on who is silent between rounds
            local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            local.round = this_round[0]
        started = time.perf_counter()
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}"}
        local.connection.request("POST", "/predict", body, headers)
        answered = local.connection.getresponse()
        answer = json.loads(answered.read())
        assert answered.status == 200, answer
        return time.perf_counter() - started, answer["places"][0]["name"]

    with ThreadPoolExecutor(num_clients) as threads:
        pipe.send([name for _, name in threads.map(ask, bodies)])
        while pipe.recv():
            this_round[0] += 1
            started = time.perf_counter()
            latencies = [latency for latency, _ in threads.map(ask, bodies)]
            pipe.send((time.perf_counter() - started, latencies))


@contextlib.contextmanager
def process(target: object, *arguments: object) -> Iterator[tuple[Connection, list[str]]]:
    """A process at the other end of a pipe, warm, and what it sent first."""
    ours, theirs = multiprocessing.Pipe()
    started = multiprocessing.get_context("spawn").Process(target=target, args=(*arguments, theirs))  # type: ignore[arg-type]
    started.start()
    theirs.close()
    try:
        yield ours, ours.recv()
        ours.send(False)
        started.join()
    finally:
        started.terminate()


def asked(pipe: Connection) -> object:
    """One round."""
    pipe.send(True)
    return pipe.recv()


def main() -> None:
    """Rounds in turn, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--city", default="demo")
    parser.add_argument("--posts", type=int, default=400)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    posts = test_posts(Store.open(), options.city, options.posts)
    bodies = [post.body() for post in posts]
    loop_s, serve_s, latencies = [], [], []
    with (
        served(options.city) as port,
        process(bare_loop, options.city, posts) as (loop, told_by_loop),
        process(clients, port, bodies, options.clients) as (asking, told_by_server),
    ):
        for number in range(1, options.rounds + 1):
            loop_s.append(float(asked(loop)))  # type: ignore[arg-type]
            seconds, late = asked(asking)  # type: ignore[misc]
            serve_s.append(seconds)
            latencies += late
            print(f"round {number} of {options.rounds}: loop {loop_s[-1]:.1f} s, server {seconds:.1f} s", flush=True)
    alike = float(np.mean([one == other for one, other in zip(told_by_loop, told_by_server, strict=True)]))
    show(
        options.posts / statistics.median(serve_s),
        options.posts / statistics.median(loop_s),
        latencies,
        options,
        alike,
    )


def show(ours: float, peer: float, latencies: list[float], options: argparse.Namespace, alike: float) -> None:
    """The table and the line of JSON."""
    p50, p99 = (1000 * float(np.quantile(latencies, share)) for share in (0.5, 0.99))
    print(f"/predict, {options.clients} clients     {ours:8.1f} posts/s   p50 {p50:.0f} ms   p99 {p99:.0f} ms")
    print(f"the bare loop            {peer:8.1f} posts/s   {1000 / peer:.1f} ms a post")
    print(f"ratio {ours / peer:.2f}, wanted {WANTED}: {'ok' if ours / peer >= WANTED else 'MISSED'}")
    print(f"equal first places {alike:.1%}; {os.cpu_count()} cores")
    print_result("predict", ours=ours, peer=peer, unit="posts/s", is_more_better=True)


if __name__ == "__main__":
    main()
