"""The prose of the report: notes that follow from its data, and statements that hold for every report."""

from pipeline.errors import plural
from pipeline.report.content import DrawnPeople, FaceGateFacts, Ledger, PictureStage, Report
from pipeline.report.figures import drawn_mistakes, mistakes
from pipeline.report.wording import HARDEST, percent, percent_range, points
from pipeline.training.choice import BEST, LINEAR, MRLF, TITLES

USED_FOR = {
    "train": "training all models",
    "validation": "selecting the epoch and the model that answers, and fitting the temperature",
    "test": "the figures on this page, and nothing else",
}
THEN_TRAINED_ON = "; then training"
REFIT = (
    "Once everything was chosen, all models were trained once more, on training and validation posts together: a "
    "network for the chosen number of epochs, at the same learning rates. The figures are of these models."
)

NOT_IN_TRAINING = {"user": "none of them in training", "time": "made after the training posts"}
OF_SPLIT = {
    "user": "The split is random among users, not by date. On posts made after the training posts, models usually "
    "score lower; the study measures that.",
    "time": "The split is by date: the figures are those of later posts of the users that the model was trained on, "
    "and say nothing about other users.",
}
"""What the figures are about, by how the data set is split."""

NO_EXAMPLES = (
    "None are shown. Captions and pictures of real posts belong to the people who made them, and anybody who reads a "
    "caption can search for its author. Reports are shared, so this one contains figures only."
)

MUST_NOT = (
    "It must not be used to find, follow or check on a person. The model estimates what place a picture or a text "
    "shows, not where somebody is, lives or was.",
    "No decision about a person may be based on its predictions.",
    "It knows only the places of this data set. Of many posts made elsewhere it does not notice that, and names one "
    "of them. A high probability is no proof.",
    "Pseudonyms are not anonymity. Predictions for single posts stay in the store and must not be published.",
)

NO_EPOCH = "No epoch was trained."

CARD_TITLES = {
    MRLF: "MRLF for {}: a reconstruction",
    BEST: "An ensemble of MRLF and linear models for {}",
    LINEAR: "A linear model for {}",
}


def what_answers(report: Report) -> str:
    """The model that answers, within a sentence."""
    return TITLES[report.answers]


RECONSTRUCTED = (
    "MRLF is the model of Dai et al., IEEE ICC 2023, arXiv 2306.07935. We found no code and no data of its authors, "
    "and our copy of the paper lacks its formulas and parameters. The paper gives the kinds of input, the character "
    "and word branches, the frozen VGG19, the fusion of captions and hashtags at the convolutional layer, RMSprop and "
    "the filtering rules. We reconstructed the equations between them, all sizes, the learning rate, the batch size, "
    "the dropout, the length limits and the split; each is a named setting.",
    "No figure of the paper is claimed or reproduced here. It reports accuracies of .828 for New York, .860 for "
    "Melbourne and .847 for Hong Kong, on posts that only its authors have. That is other data and must not be "
    "compared with this page. The paper reports no linear model; every table here does.",
)


def standin_sentence(stages: list[PictureStage]) -> str:
    """How many of the picture stages ran on a stand-in."""
    if not stages:
        return "No stage recorded how the pictures were processed."
    stand_ins = [stage.stage for stage in stages if stage.is_stand_in]
    if not stand_ins:
        return "No stage ran on a stand-in."
    listed = stand_ins[0] if len(stand_ins) == 1 else f"{', '.join(stand_ins[:-1])} and {stand_ins[-1]}"
    return (
        f"{len(stand_ins)} of {len(stages)} picture stages ran on a built-in stand-in, not on the network that the "
        f"paper names: {listed}."
    )


def gate_sentence(gate: FaceGateFacts | None) -> str:
    """What the face gate did."""
    if gate is None:
        return "No stage recorded whether the clean pictures were searched for faces."
    if gate.off_reason:
        return f"The clean pictures were not searched for faces. The reason given: {gate.off_reason}"
    return (
        f"{gate.network} searched every clean picture, as it is released, for remaining faces. In "
        f"{plural(gate.num_filled_again, 'picture')} it found a face, which was filled together with the body below "
        f"it and was then gone; {plural(gate.num_dropped, 'picture')} still showed one and were dropped. It finds no "
        "face in any released picture, which does not mean that there is none."
    )


def drawn_people_sentence(drawn: DrawnPeople) -> str:
    """How many of the people that the generator drew are left, and what that means."""
    return (
        f"The people in these pictures are known, since they are drawn. Of {plural(drawn.num_pictures, 'picture')} "
        f"with a person {drawn.num_dropped:,} were dropped; after masking and the second search a face is left in "
        f"{drawn.num_face_left:,} ({percent(drawn.percent_face_left / 100)}) and a body in {drawn.num_body_left:,} "
        f"({percent(drawn.percent_body_left / 100)}). Left means that more than a quarter of the drawn face, or of "
        "the whole drawn person, still shows the pixels of the original. All of them are one portrait facing the "
        "camera. This says nothing about real photographs, where more people are missed."
    )


def recall_sentence(gate: FaceGateFacts) -> str:
    """How the recall was measured."""
    found, faces = (sum(getattr(line, name) for line in gate.recall) for name in ("num_found", "num_faces"))
    return (
        f"To measure its recall, {plural(faces, 'face')} were put into drawn scenes: one portrait in the public "
        f"domain, at many sizes and positions. It found {found} of {plural(faces, 'face')}. The kinds show where it "
        f"fails, so the total is no rate to expect. What this does not show: {gate.not_shown}"
    )


def table_note(report: Report) -> str:
    """What the columns of the table of models mean."""
    return (
        f"{plural(report.num_test_posts, 'test post')} of {plural(report.num_test_users, 'user')}, "
        f"{NOT_IN_TRAINING[report.split]}. Small print: 95 % intervals. Top-5: the true place is among the five most "
        f"probable{' (of ' + str(len(report.places)) + ')' if len(report.places) < 20 else ''}. Macro-F1: every place "
        "counts the same. Error: distance from the predicted place to the true one, 0 if they are the same."
        f"{_without_interval(report)}"
    )


def _without_interval(report: Report) -> str:
    """What it means that a figure has no interval; "" where all have one."""
    if all(model.accuracy.has_interval for model in report.models):
        return ""
    return (
        f" No interval: all test posts are of one {report.unit}, or every resample of them gives the same figure, "
        "which is not certainty."
    )


def is_linear(report: Report) -> bool:
    """Whether the report is about the linear model: that is what answers."""
    return report.answers == LINEAR


def has_network(report: Report) -> bool:
    """Whether a network was trained: it answers, or its figures stand beside those of the model that does."""
    return not is_linear(report) or bool(report.epochs)


def card_title(report: Report) -> str:
    """The title of the model card."""
    return CARD_TITLES[report.answers].format(report.city_name)


def model_type(report: Report) -> str:
    """What kind of model answers."""
    if is_linear(report):
        return "logistic regression over n-grams of the caption, hashtags and picture features"
    networks = "ensemble of neural networks and linear models" if report.answers == BEST else "neural network"
    return f"{networks} over three kinds of input"


def training_note(report: Report) -> str:
    """The training curve in words."""
    if not report.epochs:
        return "No network was trained: the linear model is fitted at one go." if is_linear(report) else NO_EPOCH
    kept = "chosen" if report.is_refit else "kept"
    if report.answers == BEST:
        return (
            f"{plural(len(report.epochs), 'epoch')} in all, for the networks of the ensemble one after the other. For "
            f"each, the epoch with the lowest validation loss was {kept}."
        )
    best = next((epoch for epoch in report.epochs if epoch.epoch == report.best_epoch), report.epochs[-1])
    whose = " of MRLF, which does not answer," if is_linear(report) else ""
    again = " It was then trained anew for as many epochs, on the validation posts too." if report.is_refit else ""
    return (
        f"{plural(len(report.epochs), 'epoch')}{whose} over the training posts. The model of epoch {best.epoch} was "
        f"{kept}, which has the lowest validation loss ({best.validation_loss:.2f}) and a validation accuracy of "
        f"{percent(best.validation_accuracy)}.{again}"
    )


def map_note(report: Report) -> str:
    """The map in words."""
    num_wrong = sum(place.num_test - place.num_right for place in report.places)
    num_drawn = sum(posts for _, _, posts in drawn_mistakes(report.confusion))
    which = (
        "all mistakes" if num_drawn == num_wrong else f"the most frequent mistakes, {num_drawn} of {num_wrong} posts"
    )
    arrows = f" Arrows lead from the true to the predicted place: {which}." if num_wrong else ""
    return (
        "Map of the places. A ring's area shows the number of test posts, the dark disc in it those predicted "
        f"correctly ({report.num_test_posts - num_wrong:,} of {report.num_test_posts:,}).{arrows}"
    )


def describe_confusion(report: Report) -> str:
    """The confusion matrix in words."""
    worst = mistakes(report.confusion)[:3]
    if not worst:
        return "Confusion matrix: every test post is on the diagonal."
    named = "; ".join(
        f"{report.places[true].name} taken for {report.places[predicted].name} ({posts})"
        for true, predicted, posts in worst
    )
    return f"Confusion matrix of {len(report.places)} places. Most frequent mistakes: {named}."


def examples_note(report: Report) -> str:
    """How the examples were chosen."""
    num_wrong = sum(not example.is_right for example in report.examples)
    return (
        f"Invented test posts with the pictures as the model saw them: {len(report.examples) - num_wrong} that it got "
        f"right and {num_wrong} that it got wrong. They are chosen to show both, so their share means nothing. Which "
        "posts of a place are chosen does not depend on the model's confidence."
    )


def ledger_sentence(ledger: Ledger) -> str:
    """The sum that has to hold."""
    return (
        f"{plural(ledger.num_seen, 'post')} seen = {ledger.num_released:,} released + {ledger.num_dropped:,} dropped "
        f"+ {ledger.num_deferred:,} deferred. Each is counted once, at the first rule it failed. Files of the archive "
        "that are not posts are counted too. A deferred post may come back once what it lacks is available."
    )


def data_sentence(report: Report) -> str:
    """Size of the release and the rule of its split."""
    num_posts = sum(size.num_posts for size in report.splits)
    num_users = sum(size.num_users for size in report.splits)
    places = plural(len(report.places), "place")
    if report.split == "time":
        spans = ", ".join(f"{size.split} {size.first_day} to {size.last_day}" for size in report.splits)
        return (
            f"{plural(num_posts, 'post')} at {places}, split in time ({report.split_reason}): {spans}. Posts of one "
            "day (UTC) are in the same split, and so are posts that share a picture, which count on the first of "
            "their days."
        )
    return (
        f"{plural(num_posts, 'post')} of {plural(num_users, 'user')} at {places}. All posts of one user, and posts "
        "that share a picture, are in the same split."
    )


def _scope(report: Report) -> str:
    """What the intervals leave out, where they do not draw users."""
    if report.unit == "user":
        return ""
    return f"They say how far other {report.unit}s of the same users would differ, not other users. "


def _at_random(report: Report) -> str:
    """What a split post by post would have said of the linear model."""
    by_name = {model.name: model for model in report.models}
    linear = by_name.get(HARDEST, by_name.get(LINEAR))
    if linear is None or report.at_random is None:
        return ""
    more = report.at_random.value - linear.accuracy.value
    return (
        f" Had posts been drawn at random, with posts of one user on both sides, the linear model would be right for "
        f"{percent(report.at_random.value)} ({percent_range(report.at_random)}) of its test posts and not for "
        f"{percent(linear.accuracy.value)}: {points(more)} points that say nothing of posts by others."
    )


def _tuned(report: Report) -> str:
    """What the tuned model chose, where one stands in the table."""
    chosen = next((model.chosen for model in report.models if model.chosen), "")
    return f", but for the one called tuned, which chose on the validation posts ({chosen})" if chosen else ""


def how_measured(report: Report) -> list[str]:
    """How the figures were computed, and what they do not cover."""
    return [
        "All models were trained on the same posts and evaluated on the same "
        f"{plural(report.num_test_posts, 'test post')}, which were used neither for training nor for any choice. The "
        "linear models are logistic regressions with fixed settings, not tuned"
        f"{_tuned(report)}; the random forest is Tagvisor (Zhang et al. 2018).",
        *([REFIT] if report.is_refit else []),
        f"Posts of one {report.unit} resemble each other. So intervals of shares are Wilson's, at the number of "
        f"independent posts that those of whole {report.unit}s are worth; all others are percentiles of "
        f"{plural(report.num_resamples, 'bootstrap sample')} that draw whole {report.unit}s. {_scope(report)}Two "
        "models are compared post by post (paired). Intervals are of one comparison at a time; the p-values behind "
        "“Holm” are corrected for the number of models compared (Holm 1979).",
        "One training run with one seed was measured; another seed or another split changes the figures.",
        f"{OF_SPLIT[report.split]}{_at_random(report)}",
        "A caption or hashtag may name its place. Such posts were kept; the section on leakage shows their effect.",
        "Calibration error (ECE): the mean gap between confidence and accuracy over 15 bins of confidence. The "
        "temperature maximises the likelihood of the validation posts; where that does not help on held-out ones, it "
        "is 1.",
        "Distances are great-circle distances between the coordinates of the places, not of the posts.",
    ]
