"""A small town's predictor, made in memory: a real MRLF trained on posts whose word, hashtag and colour give it away.

Its picture network is a real `ImageFeatures` with a small module in VGG19's place: the mean colours of a 4 x 4 grid.
"""

import dataclasses
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from models.data.samples import Samples
from models.mrlf.mrlf import MrlfConfig
from models.settings.machine import Running
from models.training.fitted import Fitted
from models.training.training import TrainConfig, fit
from models.vision.backbones import ImageFeatures
from pipeline.predict.answer import Places
from pipeline.predict.predictor import KnownPosts, ModelFacts, Predictor
from pipeline.training.run_files import known_sureness
from tests.fakes.pictures import encoded

NAMES = (
    "Amber Bridge",
    "Birch Market",
    "Coral Pier",
    "Dune Library",
    "Elm Theatre",
    "Fern Museum",
    "Gale Café",
    "Hay Bar",
)
KINDS = ("Landmarks", "Landmarks", "Landmarks", "Culture", "Culture", "Culture", "Dining", "Dining")
COLOURS = (
    (230, 30, 30),
    (30, 200, 30),
    (40, 40, 230),
    (230, 220, 30),
    (220, 40, 220),
    (30, 220, 220),
    (240, 240, 240),
    (20, 20, 20),
)
FILLER = ("quiet", "morning", "again", "with", "coffee", "and", "rain", "walking", "slowly", "today")
TAGS = frozenset({"town", *(name.split()[1].lower() for name in NAMES)})
WORDS = frozenset({*FILLER, *(name.split()[0].lower() for name in NAMES)})
KNOWN = KnownPosts(words=WORDS, hashtags=TAGS, sureness={}, abstain=0.05)
SIDE_PX = 32
NUM_PLACES = len(NAMES)
NETWORK = dataclasses.replace(
    MrlfConfig.small(),
    char_dim=16,
    char_filter_sizes=(3,),
    word_dim=16,
    word_filter_sizes=(3,),
    num_filters=16,
    num_heads=2,
    ffn_dim=16,
    image_fc_dim=32,
    dropout=0.1,
    head_dropout=0.2,
    hashtag_dropout=0.2,
)
"""One filter size: training and an export take a second."""


class GridColours(nn.Module):
    """uint8 pixels (N, 3, S, S) to 512 features: a fixed mixture of 48 mean colours."""

    def __init__(self) -> None:
        super().__init__()
        mixture = torch.randn(48, 512, generator=torch.Generator().manual_seed(0)) / 48**0.5
        self.register_buffer("mixture", mixture)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features (N, 512) of uint8 pixels (N, 3, S, S)."""
        means = nn.functional.adaptive_avg_pool2d(pixels.float() / 255, 4).flatten(1)
        return means @ self.mixture


def labels() -> list[dict[str, object]]:
    """As labels.json has them; the places lie 1.1 km apart on a line to the north."""
    return [
        {
            "label": number,
            "poi_id": f"poi{number}",
            "name": name,
            "category": KINDS[number],
            "latitude": 10.0 + 0.01 * number,
            "longitude": 20.0,
            "num_posts": 30,
        }
        for number, name in enumerate(NAMES)
    ]


def picture(number: int, seed: int = 0, side: int = 48, kind: str = "JPEG") -> bytes:
    """A photo of place `number`: its colour under changing light."""
    rng = np.random.default_rng([seed, number])
    noise = rng.normal(0, 12, (side, side, 3)) + rng.normal(0, 10)
    return encoded(np.clip(np.array(COLOURS[number]) + noise, 0, 255).astype(np.uint8), kind)


def caption(number: int, seed: int = 0) -> str:
    """Words about place `number`, its name among them, with its hashtag."""
    rng = np.random.default_rng([seed, number, 1])
    words = [str(word) for word in rng.choice(FILLER, 4, replace=False)]
    words.insert(int(rng.integers(5)), NAMES[number].split()[0].lower())
    return f"{' '.join(words)} #{NAMES[number].split()[1].lower()} #town"


def grid_backbone() -> ImageFeatures:
    """The small picture network."""
    running = Running(runtime="torch", device="cpu", precision="fp32")
    return ImageFeatures("vgg19", "0" * 64, GridColours().eval(), running, image_size=SIDE_PX, name="grid_colours")


@lru_cache(maxsize=1)
def town_predictor() -> Predictor:
    """The predictor, trained once in a process; some posts lack the picture, the words or the hashtags."""
    model, held_out = _trained(), town_posts(range(24, 30))
    sureness = known_sureness(model, held_out, model.predict_proba(held_out))
    return Predictor(
        model,
        grid_backbone(),
        Places(labels()),
        ModelFacts(
            city="town",
            city_name="Little Town",
            model="mrlf",
            run="0123456789abcdef",
            release="fedcba9876543210",
            is_synthetic=True,
            backbone="grid_colours",
            backbone_weights_sha256="0" * 64,
            test_accuracy=0.9,
            mean_error_km=0.4,
        ),
        temperature=1.2,
        known=dataclasses.replace(KNOWN, sureness=sureness),
    )


def town_posts(seeds: range) -> Samples:
    """A post of each place for each seed."""
    asker = Predictor(None, grid_backbone(), Places(labels()), None, temperature=1.0, known=KNOWN)  # type: ignore[arg-type]
    return _posts(asker, seeds)


def _trained() -> Fitted:
    training = TrainConfig(max_epochs=16, learning_rate=1e-2, batch_size=16, num_threads=1, device="cpu")
    return fit(
        town_posts(range(24)),
        town_posts(range(24, 30)),
        num_classes=NUM_PLACES,
        model_config=NETWORK,
        train_config=training,
    )


def _posts(asker: Predictor, seeds: range) -> Samples:
    questions, true = [], []
    for seed in seeds:
        for number in range(NUM_PLACES):
            photo = None if seed % 3 == 1 else picture(number, seed)
            words = caption(number, seed).partition(" #")[0] if seed % 2 else caption(number, seed)
            questions.append(asker.read(photo, None if seed % 6 == 2 else words))
            true.append(number)
    samples = asker.samples(questions)
    fields = ("captions", "hashtags", "image_ND", "has_image_N")
    return Samples(
        keys=[f"post{row}" for row in range(len(samples))],
        labels_N=np.array(true, dtype=np.int64),
        **{name: getattr(samples, name) for name in fields},
    )
