"""Classes that two inputs tell together and neither alone: (a + b) mod 4, a in one input and b in another."""

import dataclasses

import numpy as np
import pytest

from models.data.samples import Samples
from models.mrlf.config import MrlfConfig
from models.settings.train_config import TrainConfig
from models.training.training import fit

KEYS = (("copper", "velvet", "morning", "harbour"), ("lantern", "thistle", "granite", "orchard"))
FILLING = [f"{start}{end}" for start in ("lo", "mi", "ra") for end in ("nan", "pel", "dor", "vis")]
MODALITIES = ("text", "hashtags", "image")
INPUTS = {"caption x hashtags": (0, 1), "hashtags x picture": (1, 2), "caption x picture": (0, 2)}
PARTS = {"characters": False, "word_filter_sizes": (1,), "dropout": 0.0, "head_dropout": 0.3, "hashtag_dropout": 0.0}
TRAINING = dataclasses.replace(TrainConfig.small(), max_epochs=20)
pytestmark = [pytest.mark.fault("N17"), pytest.mark.slow]


def posts(inputs, num_posts, seed):
    """Posts with a key of their number in each of two inputs, and filling words beside it."""
    rng = np.random.default_rng([seed, 5])
    looks = np.random.default_rng(5).normal(0, 2, (4, 12))
    numbers = rng.integers(0, 4, (2, num_posts))
    words = [[list(rng.choice(FILLING, 3)) for _ in range(num_posts)] for _ in range(2)]
    image_ND = rng.normal(0, 1, (num_posts, 12))
    for which, to in enumerate(inputs):
        for post, number in enumerate(numbers[which]):
            if to == 2:
                image_ND[post] += looks[number]
            else:
                words[to][post].insert(int(rng.integers(4)), KEYS[which][number])
    return Samples(
        keys=[str(number) for number in range(num_posts)],
        captions=[" ".join(own) for own in words[0]],
        hashtags=[list(map(str, own)) for own in words[1]],
        image_ND=image_ND.astype(np.float32),
        labels_N=numbers.sum(axis=0) % 4,
    )


def accuracy(inputs, hidden_dim):
    """On other posts, of a network that reads these inputs, after training on a thousand."""
    modalities = tuple(MODALITIES[which] for which in inputs)
    config = dataclasses.replace(MrlfConfig.small(), **PARTS, modalities=modalities, hidden_dim=hidden_dim)
    splits = [posts(inputs, number, seed) for seed, number in enumerate((1000, 200, 400))]
    model = fit(splits[0], splits[1], num_classes=4, model_config=config, train_config=TRAINING)
    return float((model.predict_proba(splits[2]).argmax(axis=1) == splits[2].labels_N).mean())


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_a_hidden_layer_learns_what_two_inputs_say_together(inputs):
    assert accuracy(inputs, 128) > 0.9


def test_the_papers_sum_over_the_parts_learns_nothing_of_it():
    assert accuracy(INPUTS["hashtags x picture"], 0) < 0.4
