"""An answer as lines of a terminal: bars for probabilities, signs for influence, readable without colour."""

from pipeline.predict.answer import Answer, CoarseAnswer, Part, Why
from pipeline.training.choice import TITLES

BAR_WIDTH = 20
MOST_PARTS = 8


def answer_lines(answer: Answer | CoarseAnswer) -> list[str]:
    """What `mrlf predict` prints."""
    lines = _coarse_lines(answer) if isinstance(answer, CoarseAnswer) else _fine_lines(answer)
    lines += [f"answered by {TITLES[answer.model]}", *(f"note: {note}" for note in answer.notes)]
    return [*lines, answer.notice]


def _coarse_lines(answer: CoarseAnswer) -> list[str]:
    none = "" if answer.is_known_place else ": none of the known places; the best guess"
    return [
        f"{answer.city}{none}, by kind of place:",
        *(f"  {_bar(kind.probability)} {_percent(kind.probability)}  {kind.category}" for kind in answer.kinds),
        "",
    ]


def _fine_lines(answer: Answer) -> list[str]:
    width, kind_width = (max(len(text) for text in texts) for texts in zip(*_names(answer), strict=True))
    first = answer.places[0].name
    looks = (
        f"this looks like {first}" if answer.is_known_place else f"none of the known places; the best guess is {first}"
    )
    lines = [f"{answer.city}: {looks}"]
    for place in answer.places:
        away = "" if place.rank == 1 else f"{place.distance_km:6.2f} km from the first"
        bar = f"{_bar(place.probability)} {_percent(place.probability)}"
        lines.append(f"  {place.rank}  {bar}  {place.name:<{width}}  {place.category:<{kind_width}}  {away}".rstrip())
    off = f"if its probabilities are right, the first place is {answer.expected_error_km:.2f} km off on average;"
    lines += ["", off, f"{_radius(answer.radius_50_km, 'half')}, {_radius(answer.radius_90_km, '90 %')}", ""]
    if answer.why is not None:
        lines += [*_why_lines(answer.why), ""]
    if answer.unknown_hashtags:
        lines.append(f"not read, too rare in the data set: {' '.join('#' + tag for tag in answer.unknown_hashtags)}")
    return lines


def _names(answer: Answer) -> list[tuple[str, str]]:
    return [(place.name, place.category) for place in answer.places]


def _radius(radius_km: float, share: str) -> str:
    return f"{share} of the probability lies " + (f"within {radius_km:.2f} km of it" if radius_km else "on it")


def _why_lines(why: Why) -> list[str]:
    """The parts that matter most, by how much the first place's probability falls without them."""
    attends = any(part.attention is not None for part in (*why.words, *why.hashtags))
    beside = "; share of attention" if attends else ""
    lines = [f"what decided (points of the first place's probability lost without it{beside}):"]
    if why.picture_influence is not None:
        lines.append(f"  {_points(why.picture_influence)}          the picture")
    parts = [(part, part.text) for part in why.words] + [(part, f"#{part.text}") for part in why.hashtags]
    parts.sort(key=lambda pair: -abs(pair[0].influence))
    lines += [f"  {_points(part.influence)}  {_attention(part)}  {shown}" for part, shown in parts[:MOST_PARTS]]
    if len(parts) > MOST_PARTS:
        lines.append(f"  and {len(parts) - MOST_PARTS} words and hashtags that matter less")
    return lines


def _attention(part: Part) -> str:
    return "      " if part.attention is None else f"{100 * part.attention:4.0f} %"


def _points(influence: float) -> str:
    return f"{100 * influence:+6.1f}".replace("-", "−")


def _percent(probability: float) -> str:
    return f"{100 * min(probability, 0.999):5.1f} %"


def _bar(probability: float) -> str:
    filled = round(BAR_WIDTH * probability)
    return "█" * filled + "·" * (BAR_WIDTH - filled)
