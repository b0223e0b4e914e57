"""What the report says around its figures: notes that follow from the data, and what is always true of it."""

from pipeline.report.content import DrawnPeople, FaceGateFacts, Ledger, PictureStage, Report
from pipeline.report.figures import drawn_mistakes, mistakes
from pipeline.report.wording import percent, plural

USED_FOR = {
    "train": "training MRLF and the simpler models",
    "validation": "choosing the epoch to keep and fitting the temperature",
    "test": "the figures on this page, and nothing else",
}

NO_EXAMPLES = (
    "None are shown. Captions and pictures of real posts belong to the people who made them, and whoever reads a "
    "caption can search for its author; a report is passed around, so it holds figures only."
)

MUST_NOT = (
    "It must not be used to find, follow or check on a person. The model estimates what place a picture or a text "
    "shows, not where somebody is, lives or was.",
    "No decision about a person may rest on its answers, whoever takes it.",
    "It knows the places of this one data set and always names one of them, also for a post made anywhere else; a "
    "high probability is no proof.",
    "Pseudonyms are not anonymity. Predictions of single posts stay in the store and are not to be published.",
)

RECONSTRUCTED = (
    "MRLF is the model of Dai et al., IEEE ICC 2023, arXiv 2306.07935. No code and no data of its authors was found, "
    "and the copy of the paper that we have lacks its formulas and parameters. Known from the paper are the kinds of "
    "input, the character and word branches, the frozen VGG19, the fusion of captions and hashtags at the "
    "convolutional layer, RMSprop and the rules of filtering. Reconstructed by us are the equations between them, all "
    "sizes, the learning rate, the batch, the dropout, the length limits and the split; each is a named setting.",
    "No figure of the paper is claimed or reproduced here. It reports accuracies of .828 for New York, .860 for "
    "Melbourne and .847 for Hong Kong on posts that only its authors hold: other data, not to be compared with this "
    "page. The paper reports no linear model; every table here does.",
)


def standin_sentence(stages: list[PictureStage]) -> str:
    """How many of the stages that look at pictures ran on a stand-in."""
    if not stages:
        return "No stage told what looked at the pictures."
    stand_ins = [stage.stage for stage in stages if stage.is_stand_in]
    if not stand_ins:
        return "No stage ran on a stand-in."
    listed = stand_ins[0] if len(stand_ins) == 1 else f"{', '.join(stand_ins[:-1])} and {stand_ins[-1]}"
    return (
        f"{len(stand_ins)} of {len(stages)} stages that look at pictures ran on a built-in stand-in, not on the "
        f"network the paper names: {listed}."
    )


def gate_sentence(gate: FaceGateFacts | None) -> str:
    """What looked for faces in the clean pictures, and what came of it."""
    if gate is None:
        return "No stage told whether faces were looked for in the clean pictures."
    if gate.off_reason:
        return f"Nobody looked for faces in the clean pictures. The reason given: {gate.off_reason}"
    return (
        f"Every clean picture was looked at again for faces, as it is released, by {gate.network}. In "
        f"{plural(gate.num_filled_again, 'picture')} it found something, which was filled with the body below it, and "
        f"then no more; {plural(gate.num_dropped, 'picture')} still showed it and went. It finds no face in any "
        "picture of the release; that is not to say there is none."
    )


def drawn_people_sentence(drawn: DrawnPeople) -> str:
    """How many of the people that the generator drew are left, and what that means."""
    return (
        f"Who is in these pictures is known, since they are drawn. Of {plural(drawn.num_pictures, 'picture')} with a "
        f"person {drawn.num_dropped:,} were dropped; after masks and second look a face is left in "
        f"{drawn.num_face_left:,} ({percent(drawn.percent_face_left / 100)}) and a body in {drawn.num_body_left:,} "
        f"({percent(drawn.percent_body_left / 100)}). Left means that more than a quarter of the drawn face, or of "
        "the whole drawn person, still shows the pixels of the original. It is one portrait facing the camera: of "
        "real photographs, where more is missed, this tells nothing."
    )


def recall_sentence(gate: FaceGateFacts) -> str:
    """How the recall was counted."""
    found, faces = (sum(getattr(line, name) for line in gate.recall) for name in ("num_found", "num_faces"))
    return (
        f"It found {found} of {plural(faces, 'face')} that were put into drawn scenes to count this: one portrait in "
        "the public domain, at many sizes and places. The kinds are there to tell where it fails, so the sum is no "
        f"rate to expect. What this does not show: {gate.not_shown}"
    )


def table_note(report: Report) -> str:
    """What the columns of the table of models mean."""
    return (
        f"{plural(report.num_test_posts, 'test post')} of {plural(report.num_test_users, 'user')}, none of them in "
        "training. Small print: 95 % intervals. Top-5: the right place is among the first five told"
        f"{' (of ' + str(len(report.places)) + ')' if len(report.places) < 20 else ''}. Macro-F1: every place counts "
        "the same. Error: from the place told to the true one, 0 where they are the same."
    )


def training_note(report: Report) -> str:
    """The training curve in words."""
    if not report.epochs:
        return "No epoch was trained."
    if report.preset == "best":
        return (
            f"{plural(len(report.epochs), 'epoch')} in all, over the networks of the blend one after the other. Of "
            "each the epoch was kept where the loss on the validation posts was lowest."
        )
    best = next((epoch for epoch in report.epochs if epoch.epoch == report.best_epoch), report.epochs[-1])
    return (
        f"{plural(len(report.epochs), 'epoch')} over the training posts. The model of epoch {best.epoch} was kept, "
        f"where the loss on the validation posts was lowest ({best.validation_loss:.2f}); it named "
        f"{percent(best.validation_accuracy)} of them right."
    )


def map_note(report: Report) -> str:
    """The map in words."""
    num_wrong = sum(place.num_test - place.num_right for place in report.places)
    num_drawn = sum(posts for _, _, posts in drawn_mistakes(report.confusion))
    which = (
        "all mistakes" if num_drawn == num_wrong else f"the most frequent mistakes, {num_drawn} of {num_wrong} posts"
    )
    arrows = f" Arrows lead from the true place to the one told: {which}." if num_wrong else ""
    return (
        "Map of the places. A ring's area is the number of test posts, the dark disc in it those named right "
        f"({report.num_test_posts - num_wrong:,} of {report.num_test_posts:,}).{arrows}"
    )


def describe_confusion(report: Report) -> str:
    """The confusion matrix in words."""
    worst = mistakes(report.confusion)[:3]
    if not worst:
        return "Confusion matrix: every test post is on the diagonal."
    named = "; ".join(
        f"{report.places[true].name} taken for {report.places[told].name} ({posts})" for true, told, posts in worst
    )
    return f"Confusion matrix of {len(report.places)} places. Most frequent mistakes: {named}."


def examples_note(report: Report) -> str:
    """How the examples were picked."""
    num_wrong = sum(not example.is_right for example in report.examples)
    return (
        f"Invented test posts with the pictures as the model saw them: {len(report.examples) - num_wrong} that it got "
        f"right and {num_wrong} that it got wrong. They are picked to show both, so their share says nothing; which "
        "posts of a place are picked does not depend on how sure the model was."
    )


def ledger_sentence(ledger: Ledger) -> str:
    """The sum that has to come out."""
    return (
        f"{plural(ledger.num_seen, 'post')} seen = {ledger.num_released:,} released + {ledger.num_dropped:,} dropped "
        f"+ {ledger.num_deferred:,} deferred. Each is counted once, at the first rule it failed; files of the archive "
        "that are no posts count as well. A deferred post may come back when what it lacks turns up."
    )


def data_sentence(report: Report) -> str:
    """Size of the release and law of its split."""
    num_posts = sum(size.num_posts for size in report.splits)
    num_users = sum(size.num_users for size in report.splits)
    return (
        f"{plural(num_posts, 'post')} of {plural(num_users, 'user')} at {plural(len(report.places), 'place')}. All "
        "posts of one user, and posts that share a picture, are in the same split."
    )


def how_measured(report: Report) -> list[str]:
    """How the figures came about, with what they do not cover."""
    return [
        "All models saw the same training posts and were asked for the same "
        f"{plural(report.num_test_posts, 'test post')}. These took no part in training or in choosing anything. The "
        "linear models are logistic regressions with fixed settings, tuned on nothing; the random forest is Tagvisor "
        "(Zhang et al. 2018).",
        f"Intervals are percentiles of {plural(report.num_resamples, 'bootstrap sample')} in which whole users are "
        "drawn, since posts of one user resemble each other. Differences of two models are taken post by post. The "
        "intervals are not widened for the number of comparisons.",
        "One training run with one seed was measured; another seed or another split moves the figures.",
        "The split is random among users, not by date. On posts made after the training posts, models usually score "
        "lower; the study measures that.",
        "A caption or hashtag may name its place. Such posts were left in; what they are worth stands under leakage.",
        "Calibration error (ECE): the mean gap between confidence and accuracy over 15 bins of confidence. The "
        "temperature is the one that makes the validation posts most likely.",
        "Distances are great-circle distances between the coordinates of the places, not of the posts.",
    ]
