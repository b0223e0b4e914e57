"""How much of the accuracy comes from posts that name their place: every figure with and without label words.

Law: told twice, as the posts are and with the words of all places taken out, for MRLF and every simpler model; the
models are those trained on the posts as they are. Trained without the words, they would do better: that is the
study's leakage ablation.
"""

from typing import TYPE_CHECKING

from pipeline.release.read import Release
from pipeline.report.evaluation import Answers, Bootstrap
from pipeline.report.measures import Leakage, MaskedModel
from pipeline.training.label_words import mask_label_words, posts_that_name_their_place, posts_with_label_words

if TYPE_CHECKING:
    from models.data.samples import Samples


def without_label_words(release: Release, samples: "Samples") -> "Samples":
    """The posts without the words of any place of the release."""
    return mask_label_words(samples, release.labels, city_name=release.city_name)


def measure_leakage(release: Release, samples: "Samples", answers: list[Answers], bootstrap: Bootstrap) -> Leakage:
    """What label words are worth; `answers` holds those of MRLF first."""
    names_own = posts_that_name_their_place(samples, release.labels, city_name=release.city_name)
    names_any = posts_with_label_words(samples, release.labels, city_name=release.city_name)
    return Leakage(
        num_own=int(names_own.sum()),
        num_any=int(names_any.sum()),
        accuracy_own=bootstrap.of_some(answers[0].right, names_own),
        accuracy_other=bootstrap.of_some(answers[0].right, ~names_own),
        models=[_masked(each, bootstrap) for each in answers],
    )


def _masked(answers: Answers, bootstrap: Bootstrap) -> MaskedModel:
    return MaskedModel(
        name=answers.name,
        title=answers.title,
        accuracy=bootstrap.of_mean(answers.right),
        masked=bootstrap.of_mean(answers.masked_right),
        fall=bootstrap.of_mean(answers.right - answers.masked_right),
    )
