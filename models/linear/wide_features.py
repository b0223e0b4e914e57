"""Sparse features of a post: the n-grams of its caption, its hashtags and its picture, as linear models read them.

Blocks, each of a length of about 1 for one post:
"characters"     tf-idf of the caption's character n-grams, 2 to 5 within words
"words"          tf-idf of its words and pairs of words
"hashtags"       1 for each hashtag
"hashtags_idf"   the same hashtags weighted by idf and brought to length 1: a rare one counts more than a frequent one
"image"          the standardised features / sqrt(D); zeros, the mean, where a post has no picture
Law: what is stored (terms as JSON, numbers as arrays) gives the same features, bit for bit; nothing is pickled.
scikit-learn is imported where it is used: the networks beside this file are trained where it is not installed.
Shape letters: N samples, D image features, F features of a block.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from models.data.samples import ImageScaler, Samples
from models.data.text import normalise, normalise_hashtags, words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Block = Literal["characters", "words", "hashtags", "hashtags_idf", "image"]
BLOCKS: tuple[Block, ...] = ("characters", "words", "hashtags", "hashtags_idf", "image")
VOCABULARIES = ("characters", "words", "hashtags")


@dataclass(frozen=True)
class WideFeatures:
    """What was learned of the training samples: known terms with their idf, and the scale of the image features."""

    terms: Mapping[str, tuple[str, ...]]
    """of each of `VOCABULARIES`, in the order of its columns; empty where training had none"""
    idf: Mapping[str, np.ndarray]
    """of each of `VOCABULARIES`, float64, one per term"""
    scaler: ImageScaler | None
    """None where no training post has a picture"""

    @classmethod
    def learn(cls, train: Samples, blocks: Iterable[Block] = BLOCKS) -> "WideFeatures":
        """The vocabularies and scales of the training samples; other blocks than these get no columns."""
        from sklearn.feature_extraction.text import TfidfTransformer

        wanted = {"hashtags" if block == "hashtags_idf" else block for block in blocks}
        terms: dict[str, tuple[str, ...]] = dict.fromkeys(VOCABULARIES, ())
        idf = dict.fromkeys(VOCABULARIES, np.empty(0))
        for name, documents in _documents(train).items():
            found, counts = _learned_counts(name, documents) if name in wanted else ((), None)
            if len(found):
                terms[name], idf[name] = tuple(str(term) for term in found), TfidfTransformer().fit(counts).idf_
        seen_N = train.has_image_N & ("image" in wanted)
        return cls(terms, idf, ImageScaler.fit(train.image_ND[seen_N]) if seen_N.any() else None)

    def transform(self, samples: Samples) -> dict[Block, "csr_matrix"]:
        """Every block (N, F), float64, by its name."""
        from scipy import sparse

        blocks: dict[Block, Any] = {}
        documents = _documents(samples)
        for name in ("characters", "words"):
            counts = self._counts(name, documents[name])
            counts.data = 1.0 + np.log(counts.data)
            blocks[name] = _of_length_one(counts, self.idf[name])
        blocks["hashtags"] = self._counts("hashtags", documents["hashtags"])
        blocks["hashtags_idf"] = _of_length_one(blocks["hashtags"], self.idf["hashtags"])
        blocks["image"] = sparse.csr_matrix(self._image(samples))
        return {name: sparse.csr_matrix(block) for name, block in blocks.items()}

    @cached_property
    def _vectorisers(self) -> dict[str, Any]:
        return {
            name: _vectoriser(name, {term: column for column, term in enumerate(self.terms[name])})
            for name in VOCABULARIES
            if self.terms[name]
        }

    def _counts(self, name: str, documents: Sequence[Any]) -> Any:
        """How often each known term stands in each document: (N, F)."""
        from scipy import sparse

        if name not in self._vectorisers or not documents:
            return sparse.csr_matrix((len(documents), len(self.terms[name])))
        return self._vectorisers[name].transform(documents)

    def _image(self, samples: Samples) -> np.ndarray:
        if self.scaler is None:
            return np.zeros((len(samples), 0))
        image_ND = self.scaler.transform(samples.image_ND).astype(np.float64)
        image_ND[~samples.has_image_N] = 0.0
        return np.asarray(image_ND / np.sqrt(image_ND.shape[1]))

    def widths(self) -> dict[Block, int]:
        """Columns of every block."""
        widths: dict[Block, int] = {name: len(self.terms[name]) for name in VOCABULARIES}  # type: ignore[misc]
        image = len(self.scaler.mean_D) if self.scaler else 0
        return {**widths, "hashtags_idf": widths["hashtags"], "image": image}


def _documents(samples: Samples) -> dict[str, Sequence[Any]]:
    texts = [normalise(caption) for caption in samples.captions]
    return {"characters": texts, "words": texts, "hashtags": samples.hashtags}


def _of_length_one(counts: Any, idf_F: np.ndarray) -> Any:
    """Every row times idf and brought to length 1; one of zeros stays."""
    from scipy import sparse
    from sklearn.preprocessing import normalize

    weighted = counts @ sparse.diags(idf_F)
    return normalize(weighted) if min(weighted.shape) else weighted


def _vectoriser(name: str, vocabulary: Mapping[str, int] | None = None) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    if name == "characters":
        return CountVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), min_df=2, dtype=np.float64, vocabulary=vocabulary
        )
    if name == "words":
        return CountVectorizer(
            tokenizer=words_of, token_pattern=None, ngram_range=(1, 2), dtype=np.float64, vocabulary=vocabulary
        )
    return CountVectorizer(analyzer=normalise_hashtags, binary=True, dtype=np.float64, vocabulary=vocabulary)


def _learned_counts(name: str, documents: Sequence[Any]) -> tuple[Sequence[str], Any]:
    """The terms of these documents and their counts (N, F); no terms where the documents hold nothing to learn."""
    vectoriser = _vectoriser(name)
    try:
        counts = vectoriser.fit_transform(documents)
    except ValueError as error:
        if not any(message in str(error) for message in ("vocabulary", "no terms remain", "documents than min_df")):
            raise
        return (), None
    return vectoriser.get_feature_names_out(), counts
