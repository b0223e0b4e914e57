"""The records of a report on posts from elsewhere; they stand apart from `content`, which holds them."""

from dataclasses import dataclass

from pipeline.report.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """So much of the test posts, the surest first, and how many of these are right."""

    share: float
    num_posts: int
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True)
class Source:
    """Posts from elsewhere of one kind: how many, which share is doubted, and the chance that of one of them and a
    test post the test post is the surer (AUROC)."""

    title: str
    num_posts: int
    refused: Estimate
    auroc: Estimate


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """What doubt does to the test posts and to posts from elsewhere, at the share `abstain` of the settings.

    num_known: validation posts that the limit rests on. answered: accuracy on the test posts that are not doubted,
    None where all are. sources: empty where there are no posts from elsewhere.
    """

    abstain: float
    num_known: int
    refused: Estimate
    answered: Estimate | None
    coverage: list[Coverage]
    sources: list[Source]
