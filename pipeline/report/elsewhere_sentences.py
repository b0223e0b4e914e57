"""What the report says of posts from elsewhere, and of leaving out the posts that the model is least sure of."""

from pipeline.errors import plural
from pipeline.report.content import Estimate, Report
from pipeline.report.wording import percent, percent_range

FEW_POSTS = 30
"""below so many, an interval says little"""


def elsewhere_line(report: Report) -> str:
    """For the summary: of how many of them it says so, or why nobody knows."""
    found = report.elsewhere
    if not found.sources:
        return f"Not known: there are none to ask about. It refuses {percent(found.refused.value)} of the test posts."
    parts = [
        f"{percent(each.refused.value)} of {plural(each.num_posts, 'post')} {each.title} "
        f"(AUROC {each.auroc.value:.2f})"
        for each in found.sources
    ]
    return f"It refuses {', '.join(parts)}, and {percent(found.refused.value)} of the test posts."


def elsewhere_note(report: Report) -> str:
    """What is refused, by which limit, and what it rests on."""
    found = report.elsewhere
    known = f"{_limit(report)} Of the test posts {percent(found.refused.value)} are ({percent_range(found.refused)})"
    known += f"; on the others the accuracy is {percent(found.answered.value)}." if found.answered else "."
    if not found.sources:
        return f"{known} No post from elsewhere is here to ask about, of a POI below the floor or another data set."
    few = [f"{plural(each.num_posts, 'post')} {each.title}" for each in found.sources if each.num_posts < FEW_POSTS]
    return (
        f"{known} AUROC is the chance that of a test post and one from elsewhere the model is surer of the test post; "
        "0.5 is a guess. No post from elsewhere had a part in the limit."
        f"{' No more than ' + ', '.join(few) + ': the intervals are wide.' if few else ''}"
    )


def auroc(estimate: Estimate) -> tuple[str, str]:
    """The figure, and the interval around it."""
    return f"{estimate.value:.2f}", f"{estimate.low:.2f} to {estimate.high:.2f}"


def _limit(report: Report) -> str:
    found = report.elsewhere
    share, posts = percent(1 - found.abstain), plural(found.num_known, "validation post")
    if found.abstain * (found.num_known + 1) < 1:
        return (
            f"{posts} are too few for a limit below which {percent(found.abstain)} of the posts of known places would "
            "lie: no post is refused but one of unknown words without a picture."
        )
    rough = ", so few that the limit is rough" if found.num_known < FEW_POSTS else ""
    return (
        "A prediction says that a post was made at none of the known places where the model is less sure of it (by "
        f"the entropy of its probabilities) than of {share} of the posts of known places that show as much "
        f"({posts}{rough}). So at most {percent(found.abstain)} of the posts of known places should be refused "
        "(setting abstain of train_mrlf)."
    )


def coverage_note(report: Report) -> str:
    """How to read the curve."""
    all_of_them, *_, surest = report.elsewhere.coverage
    half = next(each for each in report.elsewhere.coverage if each.share == 0.5)
    return (
        "Accuracy on the test posts that the model is surest of, with 95 % intervals: "
        f"{percent(all_of_them.accuracy.value)} on all, {percent(half.accuracy.value)} on half of them "
        f"({half.num_posts}), {percent(surest.accuracy.value)} on a tenth ({surest.num_posts}). Dotted: as many as "
        "are not refused."
    )


def describe_coverage(report: Report) -> str:
    """The curve in words."""
    points = "; ".join(
        f"{percent(each.share)} answered, {percent(each.accuracy.value)}" for each in report.elsewhere.coverage
    )
    return f"Curve of accuracy by the share of test posts answered: {points}."
