"""Training posts with each of their modalities alone beside the whole ones: what makes `best`'s networks good.

Trained on whole posts alone, MRLF leans on the most informative modality and learns little from the rest: the loss is
small as soon as one modality gives the place away. Shown every post four times, whole and with its caption, its
hashtags and its picture alone, it has to learn each of them (modality dropout: Neverova et al. 2015, arXiv 1501.00102;
here fixed copies instead of random ones). It also learns what to do where a modality is missing.
"""

import dataclasses

import numpy as np

from models.data.samples import Samples, joined
from models.data.text import normalise, normalise_hashtags
from models.mrlf.config import MrlfConfig


def with_single_modalities(samples: Samples) -> Samples:
    """The posts, then those that have more than one modality again: captions alone, hashtags alone, pictures alone.

    Pixels are left out; an image row stays where `has_image_N` is False, so that the scale of the features does not
    depend on the copies.
    """
    has_caption_N = np.array([bool(normalise(caption)) for caption in samples.captions], dtype=bool)
    has_hashtags_N = np.array([bool(normalise_hashtags(tags)) for tags in samples.hashtags], dtype=bool)
    has = {"caption": has_caption_N, "hashtags": has_hashtags_N, "image": samples.has_image_N}
    has_more_N = np.sum(list(has.values()), axis=0) > 1
    copies = [_alone(samples.take(has_N & has_more_N), name) for name, has_N in has.items()]
    return joined([dataclasses.replace(samples, pixels_NHWC=None), *copies])


def for_copies(config: MrlfConfig) -> MrlfConfig:
    """The settings for such posts: each caption and each tag list counts twice there, so the least counts double."""
    return dataclasses.replace(
        config,
        min_char_count=2 * config.min_char_count,
        min_word_count=2 * config.min_word_count,
        min_hashtag_count=2 * config.min_hashtag_count,
    )


def _alone(samples: Samples, name: str) -> Samples:
    """The posts with nothing but this modality."""
    count = len(samples)
    return dataclasses.replace(
        samples,
        keys=[f"{key} ({name} alone)" for key in samples.keys],
        captions=samples.captions if name == "caption" else [""] * count,
        hashtags=samples.hashtags if name == "hashtags" else [[] for _ in range(count)],
        has_image_N=np.full(count, name == "image"),
        pixels_NHWC=None,
    )
