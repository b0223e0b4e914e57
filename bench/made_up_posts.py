"""Made-up posts whose captions and hashtags are as long as those of Instagram, for timing a network.

Median and ninth decile in characters: captions 59 and 200, hashtags joined with a space 59 and 178. Words come from
20,000 and hashtags from 4,000 invented ones, the first ones more often. Nothing in them gives away the class.
"""

import numpy as np

from models.data.samples import Samples

MEDIAN_CHARS = 59
CAPTION_P90_CHARS = 200
HASHTAGS_P90_CHARS = 178
NUM_WORDS = 20_000
NUM_HASHTAGS = 4_000
NUM_CLASSES = 40
IMAGE_DIM = 512
Z_OF_P90 = 1.2816
"""the ninth decile of the normal distribution in standard deviations"""


def made_up_posts(num_posts: int, *, seed: int = 0) -> Samples:
    """`num_posts` posts with 512 image features each and one of 40 classes."""
    rng = np.random.default_rng(seed)
    words, tags = _tokens(rng, NUM_WORDS, 2, 9), _tokens(rng, NUM_HASHTAGS, 5, 14)
    return Samples(
        keys=[f"{number:016d}" for number in range(num_posts)],
        captions=[" ".join(_draw(rng, words, CAPTION_P90_CHARS)) for _ in range(num_posts)],
        hashtags=[_draw(rng, tags, HASHTAGS_P90_CHARS) for _ in range(num_posts)],
        image_ND=rng.standard_normal((num_posts, IMAGE_DIM), dtype=np.float32),
        labels_N=rng.integers(0, NUM_CLASSES, num_posts),
    )


def _tokens(rng: np.random.Generator, how_many: int, shortest: int, longest: int) -> list[str]:
    """Different tokens of `shortest` to `longest` letters, in the order in which they were drawn."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    tokens: dict[str, None] = {}
    while len(tokens) < how_many:
        tokens["".join(rng.choice(letters, rng.integers(shortest, longest)))] = None
    return list(tokens)


def _draw(rng: np.random.Generator, tokens: list[str], p90_chars: int) -> list[str]:
    """Tokens until they are as many characters as a post has that is drawn from a log-normal distribution."""
    spread = np.log(p90_chars / MEDIAN_CHARS) / Z_OF_P90
    wanted = min(rng.lognormal(np.log(MEDIAN_CHARS), spread), 1000)
    drawn, length = [], 0
    while length < wanted:
        drawn.append(tokens[int(len(tokens) * rng.random() ** 2.5)])
        length += len(drawn[-1]) + 1
    return drawn
