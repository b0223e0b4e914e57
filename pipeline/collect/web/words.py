"""How times read in messages: the 2nd time, 15 minutes, until 14:35 UTC."""

from datetime import UTC, datetime


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def span(seconds: float) -> str:
    """So many seconds below two minutes, minutes below two hours, else hours."""
    for unit, unit_s in (("hour", 3600), ("minute", 60)):
        if seconds >= 2 * unit_s or seconds == unit_s:
            return _counted(f"{seconds / unit_s:.1f}".removesuffix(".0"), unit)
    return _counted(f"{seconds:.0f}", "second")


def until(end: datetime, now: datetime) -> str:
    """The minute of a moment, with its day where that is not today."""
    end, now = end.astimezone(UTC), now.astimezone(UTC)
    return f"{end:%H:%M} UTC" if end.date() == now.date() else f"{end:%Y-%m-%d %H:%M} UTC"


def _counted(number: str, unit: str) -> str:
    return f"{number} {unit}{'' if number == '1' else 's'}"
