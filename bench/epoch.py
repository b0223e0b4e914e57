"""One epoch of MRLF (small preset) on cached picture features, beside the same epoch with VGG19 in the loop.

Peer: what a plain training script does, every picture through the frozen VGG19 in every epoch. Random weights of the
true shape, pictures of 224 px already decoded, made-up captions of the length that Instagram's have.
"""

import time

import numpy as np

from bench.result import interleaved, print_result
from models.data.samples import Samples
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.training import fit
from models.vision.backbones import fixed_seed_features
from models.vision.running import Running

NUM_POSTS = 256
NUM_CLASSES = 12
IMAGE_SIDE_PX = 224
BATCH = 32


def made_up_samples(rng: np.random.Generator, image_ND: np.ndarray) -> Samples:
    """Posts whose words depend on their class a little."""
    words = np.array(["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(400)])
    labels_N = np.arange(len(image_ND), dtype=np.int64) % NUM_CLASSES
    return Samples(
        keys=[f"{number:016d}" for number in range(len(image_ND))],
        captions=[" ".join(rng.choice(words, 12)) for _ in labels_N],
        hashtags=[list(rng.choice(words, 6)) for _ in labels_N],
        image_ND=image_ND,
        labels_N=labels_N,
    )


def main() -> None:
    """Three epochs of each, in turn."""
    rng = np.random.default_rng(0)
    pictures = list(rng.integers(0, 256, (NUM_POSTS, IMAGE_SIDE_PX, IMAGE_SIDE_PX, 3), dtype=np.uint8))
    backbone = fixed_seed_features(Running("torch", "cpu", "fp32"), image_size=IMAGE_SIDE_PX, batch_size=8)
    samples = made_up_samples(rng, rng.standard_normal((NUM_POSTS, 512)).astype(np.float32))

    def epoch() -> float:
        fitted = fit(
            samples,
            samples.take(np.arange(32)),
            num_classes=NUM_CLASSES,
            model_config=MrlfConfig.small(),
            train_config=TrainConfig(max_epochs=1, batch_size=BATCH),
        )
        return fitted.history[0].seconds

    def epoch_with_vgg19() -> float:
        started = time.perf_counter()
        for start in range(0, NUM_POSTS, BATCH):
            backbone(pictures[start : start + BATCH])
        return time.perf_counter() - started + epoch()

    epoch()  # warm-up
    ours, peer = (NUM_POSTS / seconds for seconds in interleaved(epoch, epoch_with_vgg19, num_runs=3))
    print(f"cached features     {ours:9.1f} posts/s\nVGG19 in the loop   {peer:9.1f} posts/s")
    print_result("epoch", ours=ours, peer=peer, unit="posts/s", is_more_better=True)


if __name__ == "__main__":
    main()
