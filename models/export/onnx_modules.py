"""The modules that become ONNX: a network, a linear model or a blend, called with plain tensors instead of batches.

Every text is padded to its limit inside, which moves no result (the law of `mrlf.characters`) and leaves one fixed
graph for all lengths. The networks of a blend have each a vocabulary of their own: its file has one for all, and a
table from its ids to those of each network.
Shape letters: B posts, L positions, K terms of a post, D image features, C classes, F terms known.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.best.wide_and_deep import LEAST_PROBABILITY, Ensemble
from models.data.batches import Batch, Padded
from models.data.samples import CLIP
from models.data.text import NUM_RESERVED_IDS, PAD_ID, UNKNOWN_ID, TextConfig
from models.linear.experts import LinearLayer
from models.linear.linear_model import LinearModel
from models.linear.wide_features import WideFeatures
from models.training.fitted import Fitted

TEXT_INPUTS = ("caption_chars", "caption_words", "hashtag_chars", "hashtags")
VOCABULARY_OF = {
    "caption_chars": "characters",
    "caption_words": "words",
    "hashtag_chars": "characters",
    "hashtags": "hashtags",
}
IDS_OF = {"characters": "char_ids", "words": "word_ids", "hashtags": "hashtag_ids"}
TERM_INPUTS = ("ngrams", "word_ngrams")
UNSEEN_LOGIT = -1e9
"""of a class without a training post, in a linear model"""


def text_limits(config: TextConfig) -> tuple[int, int, int, int]:
    """How much of each of `TEXT_INPUTS` is read."""
    return config.max_caption_chars, config.max_caption_words, config.max_hashtag_chars, config.max_hashtags


class AskedByIds(nn.Module):
    """A network with its image scaler."""

    mean: Tensor
    inverse_sd: Tensor

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.network = copy.deepcopy(fitted.model).cpu().eval()
        self.limits = text_limits(fitted.model_config)
        for name, array in fitted.scaler.arrays().items():
            self.register_buffer(name, torch.from_numpy(array))

    def forward(
        self,
        caption_chars: Tensor,
        caption_words: Tensor,
        hashtag_chars: Tensor,
        hashtags: Tensor,
        image: Tensor,
        has_image: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Class scores and probabilities (B, C)."""
        ids = (caption_chars, caption_words, hashtag_chars, hashtags)
        fields = [_padded(ids_BL, limit) for ids_BL, limit in zip(ids, self.limits, strict=True)]
        batch = Batch(
            caption_chars=fields[0],
            caption_words=fields[1],
            hashtag_chars=fields[2],
            hashtag_words=fields[3],
            hashtag_of_char_BL=torch.zeros_like(fields[2].ids_BL),  # read in training only
            image_BD=_scaled(image, self.mean, self.inverse_sd),
            has_image_B=has_image,
        )
        logits_BC = self.network(batch)
        return logits_BC, logits_BC.softmax(dim=1)


class WideAskedByIds(nn.Module):
    """A linear layer over the terms of a post, as tables with a row of zeros for what pads or is not known.

    vocabulary: of characters, words and hashtags, what the ids of `TEXT_INPUTS` number.
    """

    bias: Tensor

    def __init__(self, features: WideFeatures, layer: LinearLayer, vocabulary: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.known = features.terms
        self.blocks = tuple(layer.weights)
        self.register_buffer("bias", torch.from_numpy(layer.bias_C).float())
        for block, weights_FC in layer.weights.items():
            zeros = [] if block == "image" else [torch.zeros(1, weights_FC.shape[1])]
            self.register_buffer(f"weights_{block}", torch.cat([*zeros, torch.from_numpy(weights_FC).float()]))
        for kind, idf_F in features.idf.items():
            self.register_buffer(f"idf_{kind}", F.pad(torch.from_numpy(idf_F).float(), (1, 0)))
        columns = {term: column for column, term in enumerate(features.terms["hashtags"], start=1)}
        self.register_buffer("wide_hashtags", _table(vocabulary["hashtags"], columns, 0))
        if features.scaler:
            for name, array in features.scaler.arrays().items():
                self.register_buffer(f"wide_{name}", torch.from_numpy(array))

    def terms(self) -> dict[str, Any]:
        """What a reader must know besides: the vocabulary, and the n-grams."""
        return {
            "vocabulary": {kind: list(tokens) for kind, tokens in self.vocabulary.items()},
            "ngrams": list(self.known["characters"]),
            "word_ngrams": list(self.known["words"]),
            "terms": "0 pads, the first of each list is 1, unknown ones are left out; ngrams: 2 to 5 characters "
            "within each word with a space before and behind it; word_ngrams: words, and pairs joined with a space",
        }

    def wide(
        self, hashtags: Tensor, image: Tensor, has_image: Tensor, terms: Mapping[str, tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Class scores (B, C); `terms` has the ids and counts of the blocks of a caption."""
        logits_BC = self.bias.expand(hashtags.shape[0], -1)
        for block, (terms_BK, counts_BK) in terms.items():
            if block in self.blocks:
                tf_BK = 1 + counts_BK.clamp(min=1).log()
                logits_BC = logits_BC + self._scores(block, terms_BK, tf_BK * self._buffer(f"idf_{block}")[terms_BK])
        tags_BK = self._buffer("wide_hashtags")[hashtags]
        if "hashtags" in self.blocks:
            logits_BC = logits_BC + self._sum("hashtags", tags_BK, (tags_BK > 0).float())
        if "hashtags_idf" in self.blocks:
            logits_BC = logits_BC + self._scores("hashtags_idf", tags_BK, self._buffer("idf_hashtags")[tags_BK])
        if "image" in self.blocks:
            scaled_BD = _scaled(image, self._buffer("wide_mean"), self._buffer("wide_inverse_sd"))
            seen_BD = torch.where(has_image[:, None], scaled_BD, 0.0) / image.shape[1] ** 0.5
            logits_BC = logits_BC + seen_BD @ self._buffer("weights_image")
        return logits_BC

    def _scores(self, block: str, terms_BK: Tensor, values_BK: Tensor) -> Tensor:
        """Class scores (B, C) of terms whose values are brought to length 1."""
        length_B1 = values_BK.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
        return self._sum(block, terms_BK, values_BK / length_B1)

    def _sum(self, block: str, terms_BK: Tensor, values_BK: Tensor) -> Tensor:
        return (values_BK[:, :, None] * self._buffer(f"weights_{block}")[terms_BK]).sum(dim=1)

    def _buffer(self, name: str) -> Tensor:
        return self.get_buffer(name)


class LinearAskedByIds(WideAskedByIds):
    """A `LinearModel`; its texts have no vocabulary but the hashtags', and its captions come as n-grams."""

    def __init__(self, model: LinearModel) -> None:
        known = {"characters": (), "words": (), "hashtags": model.features.terms["hashtags"]}
        super().__init__(model.features, model.layer, known)
        self.register_buffer("seen", torch.from_numpy(model.layer.seen_C))

    def forward(
        self,
        caption_chars: Tensor,
        caption_words: Tensor,
        hashtag_chars: Tensor,
        hashtags: Tensor,
        image: Tensor,
        has_image: Tensor,
        ngrams: Tensor,
        ngrams_counts: Tensor,
        word_ngrams: Tensor,
        word_ngrams_counts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Class scores and probabilities (B, C)."""
        terms = {"characters": (ngrams, ngrams_counts), "words": (word_ngrams, word_ngrams_counts)}
        logits_BC = self.wide(hashtags, image, has_image, terms)
        logits_BC = torch.where(self._buffer("seen"), logits_BC, UNSEEN_LOGIT)
        return logits_BC, logits_BC.softmax(dim=1)


class BlendAskedByIds(WideAskedByIds):
    """A `Ensemble`: its networks, and its linear layer."""

    def __init__(self, best: Ensemble) -> None:
        vocabulary = {
            kind: _union([getattr(network.vocabulary, kind) for network in best.networks])
            for kind in ("characters", "words", "hashtags")
        }
        vocabulary["hashtags"] = _union([vocabulary["hashtags"], best.features.terms["hashtags"]])
        super().__init__(best.features, best.layer, vocabulary)
        self.deep_weight = best.deep_weight
        self.networks = nn.ModuleList(AskedByIds(network) for network in best.networks)
        for number, network in enumerate(best.networks):
            for kind, tokens in vocabulary.items():
                ids = getattr(network.vocabulary, IDS_OF[kind])
                self.register_buffer(f"{kind}_{number}", _table(tokens, ids, UNKNOWN_ID))

    def forward(
        self,
        caption_chars: Tensor,
        caption_words: Tensor,
        hashtag_chars: Tensor,
        hashtags: Tensor,
        image: Tensor,
        has_image: Tensor,
        ngrams: Tensor,
        ngrams_counts: Tensor,
        word_ngrams: Tensor,
        word_ngrams_counts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Class scores and probabilities (B, C)."""
        ids = dict(zip(TEXT_INPUTS, (caption_chars, caption_words, hashtag_chars, hashtags), strict=True))
        terms = {"characters": (ngrams, ngrams_counts), "words": (word_ngrams, word_ngrams_counts)}
        wide_BC = self.wide(hashtags, image, has_image, terms)
        logits_BC = wide_BC + self.deep_weight * self._deep(ids, image, has_image)
        return logits_BC, logits_BC.softmax(dim=1)

    def _deep(self, ids: Mapping[str, Tensor], image: Tensor, has_image: Tensor) -> Tensor:
        """The mean (B, C) of what the networks predict, as log probabilities."""
        logs = []
        for number, network in enumerate(self.networks):
            own = [self._buffer(f"{VOCABULARY_OF[name]}_{number}")[ids_BL] for name, ids_BL in ids.items()]
            logs.append(network(*own, image, has_image)[1].clamp(min=LEAST_PROBABILITY).log())
        return torch.stack(logs).mean(dim=0)


def _padded(ids_BL: Tensor, limit: int) -> Padded:
    """The ids at their limit, whatever length they came in; each row ends where its zeros begin."""
    return Padded(F.pad(ids_BL, (0, limit - ids_BL.shape[1]), value=PAD_ID), (ids_BL != PAD_ID).sum(dim=1))


def _scaled(image_BD: Tensor, mean_D: Tensor, inverse_sd_D: Tensor) -> Tensor:
    """As `models.data.samples` does."""
    return ((image_BD - mean_D) * inverse_sd_D).clamp(-CLIP, CLIP)


def _union(vocabularies: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Every token once, in the order of first mention."""
    return tuple(dict.fromkeys(token for tokens in vocabularies for token in tokens))


def _table(tokens: Sequence[str], ids: Mapping[str, int], otherwise: int) -> Tensor:
    """From the ids of `tokens` (the reserved ones first) to `ids`; `otherwise` where it is not known there."""
    reserved = [PAD_ID, otherwise]
    assert len(reserved) == NUM_RESERVED_IDS
    return torch.tensor([*reserved, *(ids.get(token, otherwise) for token in tokens)])
