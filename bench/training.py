"""Training MRLF at the paper's sizes on this processor: our loop beside a plain PyTorch one, samples per second.

Peer: `bench.plain_mrlf` behind a DataLoader: the same network and weights, batches of 128 too, everything padded to
its maximum. Ours trains an epoch of 16,357 posts, the paper's largest set with all three modalities; the peer a part
of them, which costs it nothing, since all its batches are of one shape. A processor of two cores takes ten minutes.
"""

import models  # noqa: F401  before torch: it says how torch's threads wait

# isort: split
import dataclasses
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader

from bench.made_up_posts import IMAGE_DIM, NUM_CLASSES, made_up_posts
from bench.plain_mrlf import PlainMrlf, PlainPosts
from bench.result import interleaved, print_result
from models.data.samples import Samples
from models.data.text import Vocabulary
from models.mrlf.config import MrlfConfig
from models.mrlf.mrlf import Mrlf
from models.settings.train_config import TrainConfig
from models.training.training import fit

NUM_POSTS = 16_357
NUM_PEER_POSTS = 1_024
NUM_SMALL_POSTS = 4_096
NUM_EPOCHS = 30
BATCH = 128
NUM_RUNS = 3
ALL_TOKENS = {"min_char_count": 1, "min_word_count": 1, "min_hashtag_count": 1}
"""made-up posts repeat their words less than people do: with every token known the network has the paper's size"""


def our_samples_per_second(samples: Samples, config: MrlfConfig, train_config: TrainConfig) -> float:
    """One epoch of `fit`, the look at a few validation posts included."""
    fitted = fit(
        samples,
        samples.take(np.arange(BATCH)),
        num_classes=NUM_CLASSES,
        model_config=config,
        train_config=dataclasses.replace(train_config, max_epochs=1, device="cpu"),
    )
    return len(samples) / fitted.history[0].seconds


class PlainLoop:
    """The loop that one writes down first."""

    def __init__(self, samples: Samples, config: MrlfConfig) -> None:
        vocabulary = Vocabulary.build(samples.captions, samples.hashtags, config)
        ours = Mrlf(config, vocabulary, image_dim=IMAGE_DIM, num_classes=NUM_CLASSES)
        self.network = PlainMrlf(ours).train()
        self.num_parameters = sum(parameter.numel() for parameter in ours.parameters())
        self.optimiser = torch.optim.RMSprop(self.network.parameters(), lr=1e-3)
        part = samples.take(np.arange(NUM_PEER_POSTS))
        posts = PlainPosts(part, vocabulary, config, hashtag_dropout=config.hashtag_dropout)
        self.loader = DataLoader(posts, batch_size=BATCH, shuffle=True)

    def samples_per_second(self) -> float:
        """One pass over its posts."""
        started = time.perf_counter()
        for posts in self.loader:
            self.optimiser.zero_grad()
            F.cross_entropy(self.network(posts), posts["label"]).backward()
            self.optimiser.step()
        return NUM_PEER_POSTS / (time.perf_counter() - started)


def matmul_gflops() -> float:
    """What torch reaches here in fp32 products of large matrices."""
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds) / 1e9


def where_the_time_goes(samples: Samples, config: MrlfConfig) -> None:
    """Print the operations that take most of our time, and the share of products in it and in their limit."""
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiler:
        our_samples_per_second(samples, config, TrainConfig.paper())
    events = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    for event in sorted(events, key=lambda event: -event.self_cpu_time_total)[:8]:
        print(f"  {event.self_cpu_time_total / total:5.1%}  {event.key}")
    products = [event for event in events if event.key in ("aten::mm", "aten::addmm", "aten::bmm")]
    reached = sum(event.flops for event in products) / sum(event.self_cpu_time_total for event in products) / 1e3
    share = sum(event.self_cpu_time_total for event in products) / total
    print(f"  matrix products take {share:.0%} of the time, at {reached:.0f} of {matmul_gflops():.0f} GFLOP/s")


def main() -> None:
    """Both in turn, then the small preset and a profile of ours."""
    torch.set_num_threads(os.cpu_count() or 1)
    paper = dataclasses.replace(MrlfConfig.paper(), **ALL_TOKENS)
    samples = made_up_posts(NUM_POSTS)
    plain = PlainLoop(samples, paper)
    ours, peer = interleaved(
        lambda: our_samples_per_second(samples, paper, TrainConfig.paper()), plain.samples_per_second, NUM_RUNS
    )
    few = samples.take(np.arange(NUM_SMALL_POSTS))
    small = our_samples_per_second(few, MrlfConfig.small(), TrainConfig.small())
    print(f"paper's sizes, {plain.num_parameters / 1e6:.1f} M parameters, {torch.get_num_threads()} threads")
    for name, rate in (("ours", ours), ("plain loop", peer), ("small preset, one thread", small)):
        minutes = NUM_POSTS * NUM_EPOCHS / rate / 60
        print(f"{name:25s} {rate:8.1f} samples/s   {NUM_POSTS:,} x {NUM_EPOCHS} in {minutes:6.1f} min")
    where_the_time_goes(few, paper)
    print_result("training", ours=ours, peer=peer, unit="samples/s", is_more_better=True)


if __name__ == "__main__":
    main()
