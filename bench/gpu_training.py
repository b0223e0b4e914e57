"""MRLF's training on a bare GPU: posts per second, thirty epochs of the paper's largest city, and what bounds it.

Needs torch, torchvision, numpy, safetensors, scikit-learn and scipy, nothing else of the pipeline. Made-up posts of
the paper's largest city: 137,676 training posts, 40 classes, captions of median 59 and hashtags of median 59
characters (9 in 10 below 200 and 178), 512 picture features, the preset `paper`.

    python -m bench.gpu_training                                       on a GPU
    python -m bench.gpu_training --posts 2000 --epochs 1 --device cpu  a look whether all of it runs

Variants: `plain` starts each kernel by itself and cuts its batches on the processor; `graphs` is what `fit` does by
itself on a GPU; `compiled` compiles the network too; `large` is `graphs` at eight times the batch, another training
that needs a learning rate of its own, called another for that reason. Ends with status 1 where a check fails.
"""

import argparse
import dataclasses
import platform
import time
from functools import cache

import numpy as np
import torch

from bench.gpu import datasheet, matrix_tflops
from bench.gpu_training_checks import checks
from bench.result import print_result
from bench.step_cost import StepCost, copy_gbytes_per_s, step_cost
from models.data.samples import Samples
from models.mrlf.config import MrlfConfig
from models.settings.train_config import Epoch, TrainConfig
from models.training.training import fit

NUM_POSTS = 137_676
NUM_CLASSES = 40
NUM_EPOCHS = 30
IMAGE_DIM = 512
GOAL_S = 20.0
VALIDATION_SHARE = 0.1
VARIANTS = {
    "plain": {"compile": False},
    "graphs": {},
    "compiled": {"compile": True},
    "large": {"batch_size": 1024},
}
MEASURED_EPOCHS = 3
"""after the first, in which a GPU is made ready; the thirty are reckoned from these unless --epochs says otherwise"""


def main() -> int:
    """Checks, then figures; returns the exit status."""
    arguments = _arguments()
    device = arguments.device
    name = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    print(f"torch {torch.__version__} on {name}", flush=True)
    if device == "cpu":
        print("no GPU is used: the same on the processor, as a look whether it runs")
    started = time.perf_counter()
    train = made_up_posts(arguments.posts, seed=1)
    validation = made_up_posts(max(1, int(arguments.posts * VALIDATION_SHARE)), seed=2)
    print(f"{len(train):,} training posts made up in {time.perf_counter() - started:.1f} s", flush=True)
    is_right = arguments.no_checks or all([check.report() for check in checks(device)])
    cost = step_cost(train.take(np.arange(min(len(train), 512))), NUM_CLASSES)
    print(cost.summary(), flush=True)
    limits = matrix_tflops(device, 8192 if device == "cuda" else 512), copy_gbytes_per_s(device)
    print(f"limits: {limits[0]:.1f} TFLOP/s in bf16{datasheet(name)}, {limits[1]:,.0f} GB/s", flush=True)
    plain = None
    for variant in arguments.variants or VARIANTS:
        rate = measure(variant, train, validation, arguments, cost, limits)
        plain = plain or rate
        print_result(f"gpu_training {variant}", ours=rate, peer=plain, unit="posts/s", is_more_better=True)
    print("every check passed" if is_right else "A CHECK FAILED: see above")
    return 0 if is_right else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    has_gpu = torch.cuda.is_available()
    parser.add_argument("--posts", type=int, default=NUM_POSTS, help="training posts")
    parser.add_argument("--epochs", type=int, default=1 + MEASURED_EPOCHS, help="30 to run all of them")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if has_gpu else "cpu")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="by default all")
    parser.add_argument("--no-checks", action="store_true", help="figures only")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not has_gpu:
        parser.error("torch sees no GPU: `nvidia-smi` shows whether there is one and its driver answers")
    return arguments


def measure(
    variant: str,
    train: Samples,
    validation: Samples,
    arguments: argparse.Namespace,
    cost: StepCost,
    limits: tuple[float, float],
) -> float:
    """Training posts per second of one variant, validation included; prints what it means."""
    config = dataclasses.replace(
        TrainConfig.paper(),
        max_epochs=arguments.epochs,
        early_stop_patience=arguments.epochs,
        device=arguments.device,
        **VARIANTS[variant],
    )
    epochs: list[Epoch] = []
    started = time.perf_counter()
    fit(
        train,
        validation,
        num_classes=NUM_CLASSES,
        model_config=MrlfConfig.paper(),
        train_config=config,
        on_epoch=epochs.append,
    )
    whole = time.perf_counter() - started
    seconds = [epoch.seconds for epoch in epochs]
    warm = float(np.median(seconds[1:] or seconds))
    rate = len(train) / warm
    print(f"{variant}: {rate:,.0f} posts/s, {warm:.2f} s an epoch, the first {seconds[0]:.2f} s", flush=True)
    thirty = sum(seconds) if len(seconds) == NUM_EPOCHS else seconds[0] + (NUM_EPOCHS - 1) * warm
    how = "measured" if len(seconds) == NUM_EPOCHS else f"reckoned from {len(seconds)}"
    print(
        f"{variant}: {NUM_EPOCHS} epochs of {len(train):,} posts take {thirty:.1f} s ({how}; goal {GOAL_S:.0f} s on "
        f"an H200 with {NUM_POSTS:,}), after {whole - sum(seconds):.1f} s to encode the text, once"
    )
    print(f"{variant}: {cost.bound(rate, *limits)}", flush=True)
    return rate


def made_up_posts(num_posts: int, *, seed: int) -> Samples:
    """Posts of the lengths that Instagram's have, whose words and pictures depend on their class a little."""
    words, looks_CD = _world()
    rng = np.random.default_rng([seed, 1])
    labels_N = rng.integers(0, NUM_CLASSES, num_posts)
    captions = _texts(words, labels_N, rng, median=59, ninth=200)
    tags = _texts(words, labels_N, rng, median=59, ninth=178)
    return Samples(
        keys=[f"{seed}-{number}" for number in range(num_posts)],
        captions=captions,
        hashtags=[text.split()[:30] for text in tags],
        image_ND=looks_CD[labels_N] + rng.standard_normal((num_posts, IMAGE_DIM), dtype=np.float32),
        labels_N=labels_N,
    )


@cache
def _world() -> tuple[np.ndarray, np.ndarray]:
    """The words of all posts, and the mean picture features of each class (C, D)."""
    rng = np.random.default_rng(0)
    letters = list("etaoinshrdlucmfwyp")
    words = np.array(["".join(rng.choice(letters, length)) for length in rng.integers(3, 10, 20_000)])
    return words, rng.normal(0, 0.3, (NUM_CLASSES, IMAGE_DIM)).astype(np.float32)


def _texts(words: np.ndarray, labels_N: np.ndarray, rng: np.random.Generator, *, median: int, ninth: int) -> list[str]:
    """Texts whose lengths in characters are log-normal with this median and ninth decile."""
    spread = np.log(ninth / median) / 1.2816
    lengths_N = np.exp(rng.normal(np.log(median), spread, len(labels_N)))
    counts_N = np.clip(lengths_N / (np.char.str_len(words).mean() + 1), 1, 60).astype(int)
    ranks = (len(words) * rng.random(counts_N.sum()) ** 4).astype(int)  # few words are frequent, many are rare
    is_own = rng.random(counts_N.sum()) < 0.1
    own = np.repeat(labels_N, counts_N) * 100 + ranks % 100
    chosen = words[np.where(is_own, own, ranks)]
    return [" ".join(part) for part in np.split(chosen, np.cumsum(counts_N)[:-1])]


if __name__ == "__main__":
    raise SystemExit(main())
