"""The records of a report, which HTML, Markdown and JSON are all rendered from.

Shares lie in 0..1, distances are kilometres, a difference is a difference of accuracies, and `number` is a place's
number on the page, counted from 1 in the order of categories, so that table, matrix and map agree.
"""

from dataclasses import dataclass

from pipeline.report.elsewhere_content import Elsewhere
from pipeline.report.estimate import Estimate as Estimate


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
    """How much the trained model relies on each kind of input; `blind` is its accuracy with all of them hidden."""

    modalities: list[Modality]
    everything: Estimate
    blind: Estimate


@dataclass(frozen=True, kw_only=True)
class CategoryMistakes:
    """`confusion[i][j]`: test posts of category i for which a place of category j was predicted.

    num_unknown: wrong answers at or for a place whose category is not known ("" in `names`).
    share_within: share of the other wrong answers in the right category; by_chance: the same for a wrong place that is
    drawn at random.
    """

    names: list[str]
    confusion: list[list[int]]
    num_wrong: int
    share_within: float | None
    by_chance: float | None
    num_unknown: int = 0


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
    """Test posts of about the same confidence: their mean confidence and their accuracy."""

    num_posts: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well probabilities are calibrated, as predicted and at the temperature fitted on the validation posts.

    honest_error: the calibration error that a perfectly calibrated model shows on so few posts by chance alone. The
    groups are of equal size, least confident first.
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
    """Test posts whose text names a place, and its effect. An accuracy is None where there is no such post."""

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
    """The study of the paper's tables for this city, which stands beside the report."""

    page: str
    """the name of its page in the folder of the report"""


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """One model on the test posts; `gain` is the answering model's accuracy minus this one's, None for that one.

    p, p_holm: the p-value of no difference, and that corrected for the number of comparisons; None where no interval
    is.
    chosen: what was chosen for it on validation posts, where that is told.
    """

    name: str
    title: str
    accuracy: Estimate
    top5: float
    macro_f1: float
    mean_km: Estimate
    median_km: float
    within_500_m: float
    within_1_km: float
    within_5_km: float
    calibration_error: float
    gain: Estimate | None
    p: float | None = None
    p_holm: float | None = None
    chosen: str = ""


@dataclass(frozen=True, kw_only=True)
class PlaceResult:
    """One class: where it is, how many posts it has, and how the answering model does on its test posts."""

    number: int
    label: int
    name: str
    category: str
    latitude: float
    longitude: float
    num_posts: int
    num_test: int
    num_right: int
    mistaken_for: int | None
    """The number of the place predicted most often in its stead, and for how many posts."""
    num_mistaken: int


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training posts."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """Posts that one stage lost for one reason, and what the reason means."""

    stage: str
    outcome: str
    reason: str
    num_posts: int
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What became of every post: seen = released + dropped + deferred."""

    num_seen: int
    num_released: int
    num_dropped: int
    num_deferred: int
    lines: list[LedgerLine]


@dataclass(frozen=True, kw_only=True)
class PictureStage:
    """How one picture stage processed the pictures: its network, weights, runtime and remarks.

    running: library, precision and device; "" without a network. is_stand_in: it is not the paper's network.
    """

    stage: str
    network: str
    weights_sha256: str
    running: str
    is_stand_in: bool
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class RecallLine:
    """Labelled faces of one kind: how many of them the face gate found."""

    kind: str
    num_found: int
    num_faces: int


@dataclass(frozen=True, kw_only=True)
class FaceGateFacts:
    """The face gate: its network, its outcomes, and its recall on labelled faces.

    off_reason: why it was off; "" if it was on. not_shown: what `recall` says nothing about.
    """

    network: str
    weights_sha256: str
    off_reason: str
    num_filled_again: int
    num_dropped: int
    recall: list[RecallLine]
    not_shown: str


@dataclass(frozen=True, kw_only=True)
class DrawnPeople:
    """Pictures into which the generator of a synthetic city drew a person, and in how many of them one is left.

    The percentages are of all pictures with a drawn person, those that were dropped too.
    """

    num_pictures: int
    num_dropped: int
    num_face_left: int
    num_body_left: int
    percent_face_left: float
    percent_body_left: float


@dataclass(frozen=True, kw_only=True)
class SplitSize:
    """Posts and users of one split, and the first and the last day they were made on."""

    split: str
    num_posts: int
    num_users: int
    first_day: str
    last_day: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test post of a synthetic city; `jpeg` is its clean picture, made small."""

    post_key: str
    caption: str
    hashtags: list[str]
    true_place: str
    predicted_place: str
    probability: float
    error_km: float
    is_right: bool
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name and a value: a version, a digest, a setting."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it. `confusion[i][j]`: test posts of place number i + 1 for which place number j + 1 was predicted.

    The figures are those of the model that answers, the first of `models`; MRLF stands beside it where it was trained.
    """

    city: str
    city_name: str
    is_synthetic: bool
    preset: str
    """the preset that MRLF was trained with; "best" or "linear" where that was trained in its place"""
    answers: str
    """what `mrlf predict` answers with: mrlf, best or linear"""
    is_refit: bool
    """whether all models learnt from the validation posts too, after everything was chosen"""
    headline: str
    warnings: list[str]
    """what a reader has to know before anything else; empty where nothing is wrong"""
    verdict: list[str]
    num_resamples: int
    num_test_posts: int
    num_test_users: int
    split: str
    """user or time: what keeps train, validation and test apart"""
    split_reason: str
    unit: str
    """user, month or day: what intervals draw"""
    models: list[ModelResult]
    places: list[PlaceResult]
    confusion: list[list[int]]
    categories: CategoryMistakes
    distances: Distances
    modalities: ModalityUse
    calibration: Calibration
    elsewhere: Elsewhere
    leakage: Leakage
    drift: Drift
    study: Study | None
    """None where no study of this city stands beside the report"""
    epochs: list[Epoch]
    best_epoch: int
    examples: list[Example]
    ledger: Ledger
    picture_stages: list[PictureStage]
    face_gate: FaceGateFacts | None
    """None if no face gate ran."""
    drawn_people: DrawnPeople | None
    """None where the people in the pictures are not known: in every city that is not drawn"""
    splits: list[SplitSize]
    remarks: list[str]
    settings: list[Fact]
    versions: list[Fact]
    at_random: Estimate | None = None
    """accuracy of the linear model on all three if posts had been split at random; None where none is in the table"""
