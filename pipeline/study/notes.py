"""What to know of a study's rows: sentences beside the tables, and the versions of all that went in."""

from collections.abc import Sequence

import numpy as np

from pipeline.report.content import Fact
from pipeline.report.wording import percent, plural
from pipeline.study.cells import code_of_cells
from pipeline.study.content import StudySection
from pipeline.study.settings import FEWEST_SEEDS, StudySettings
from pipeline.study.variants import StudyData
from pipeline.study.work import CellRunner
from pipeline.training.label_words import posts_with_label_words

NOT_TOLD = (
    "The paper tells neither whether its image networks were frozen or trained further, nor its split, seeds or "
    "number of runs: its figures stand beside both kinds. Its text mentions a row of VGG16, which no copy we know of "
    "shows; a linear model, VGG19 and simple priors it does not have."
)
OF_FIGURES = {
    "table2": NOT_TOLD,
    "table3": "The paper's row is VGG19 alone on all posts; ours is MRLF's image branch alone.",
    "splits": "Rows of different splits have other test posts: only rows of the same split are compared.",
    "noise": "Posts in another language, far from their place or at places outside the release stay out.",
}


def section_notes(key: str, data: StudyData) -> list[str]:
    """What to know of a section."""
    notes = [OF_FIGURES[key]] if key in OF_FIGURES else []
    if key == "leakage":
        notes.append(_leaking(data))
    return notes


def _leaking(data: StudyData) -> str:
    parts = data.parts("release", "user", 0)
    told = [
        posts_with_label_words(samples, data.release.labels, city_name=data.release.city_name)
        for samples in (parts.train, parts.validation, parts.test)
    ]
    share = float(np.mean(np.concatenate(told)))
    return f"{percent(share)} of the release's posts hold a word of some place's name in caption or hashtags."


def study_notes(settings: StudySettings, sections: Sequence[StudySection]) -> list[str]:
    """What to know of the whole study."""
    notes = []
    if settings.num_seeds < FEWEST_SEEDS:
        notes.append(f"This is a trial: {settings.num_seeds} of at least {FEWEST_SEEDS} seeds.")
    if settings.max_epochs is not None:
        notes.append(f"This is a trial: networks were trained for {plural(settings.max_epochs, 'epoch')} at most.")
    if any(row.is_stand_in for section in sections for row in section.rows):
        notes.append(
            "Rows marked stand-in look at pictures with a network drawn from a fixed seed, in place of the trained "
            "one of that name, and fine-tuned ones begin from it: they show that the row can be computed and say "
            "nothing about the trained network."
        )
    return notes


def versions(workshop: CellRunner) -> list[Fact]:
    """What the figures were made of."""
    look = workshop.look(None)
    told = {
        "release": workshop.data.release.version,
        "picture features": look.name,
        "weights of these, sha256": look.weights_sha256,
        "version of the cells": code_of_cells()[:12],
    }
    return [Fact(name=name, value=value) for name, value in told.items()]
