"""What is measured beyond accuracy, as plain records: modalities, mistakes, honesty, leakage, drift.

Shares lie in 0..1, distances are kilometres; a difference is a difference of accuracies.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One kind of input. alone: accuracy where the other kinds are hidden.

    fall: accuracy lost where it is hidden. share: its Shapley value, its part of what all of them add together.
    """

    name: str
    title: str
    without: Estimate
    fall: Estimate
    alone: Estimate
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class ModalityUse:
    """What the trained model makes of each kind of input; `blind` is its accuracy where all of them are hidden."""

    modalities: list[Modality]
    everything: Estimate
    blind: Estimate


@dataclass(frozen=True, kw_only=True)
class CategoryMistakes:
    """`confusion[i][j]`: test posts of category i for which a place of category j was told.

    share_within: of the wrong answers, those that stay in the category; by_chance: what naming any wrong place gives.
    """

    names: list[str]
    confusion: list[list[int]]
    num_wrong: int
    share_within: float | None
    by_chance: float | None


@dataclass(frozen=True, kw_only=True)
class DistanceCurve:
    """Share of the test posts for which a model's answer lies within each distance."""

    name: str
    title: str
    shares: list[float]


@dataclass(frozen=True, kw_only=True)
class Distances:
    """`limits_km` rise; `median_wrong_km` is over wrong answers alone, None where there is none."""

    limits_km: list[float]
    curves: list[DistanceCurve]
    median_wrong_km: float | None


@dataclass(frozen=True, kw_only=True)
class ConfidenceGroup:
    """Test posts of about the same confidence: what was claimed on average, and what came true."""

    num_posts: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether probabilities are honest, as they come and at the temperature fitted on the validation posts.

    honest_error: the calibration error that chance alone gives an honest model on so few posts. The groups are of
    equal size, least sure first.
    """

    temperature: float
    mean_confidence: float
    accuracy: float
    error_before: float
    error_after: float
    honest_error: float
    before: list[ConfidenceGroup]
    after: list[ConfidenceGroup]


@dataclass(frozen=True, kw_only=True)
class MaskedModel:
    """A model on the test posts as they are and with label words taken out; `fall` is the accuracy lost."""

    name: str
    title: str
    accuracy: Estimate
    masked: Estimate
    fall: Estimate


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """Test posts whose text names a place, and what that is worth. An accuracy is None where there is no such post."""

    num_own: int
    """posts that name their own place"""
    num_any: int
    """posts that name any place"""
    accuracy_own: Estimate | None
    accuracy_other: Estimate | None
    models: list[MaskedModel]


@dataclass(frozen=True, kw_only=True)
class TimeBin:
    """The test posts of one span of time; without an interval, `accuracy` is None, where they are too few."""

    name: str
    num_posts: int
    num_right: int
    accuracy: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Accuracy over time; `change` is that of the later half of the posts minus that of the earlier half."""

    unit: str
    first_day: str
    last_day: str
    min_posts: int
    bins: list[TimeBin]
    change: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """That the paper's tables stand for this city, beside the report."""

    page: str
    """the name of its page in the folder of the report"""
