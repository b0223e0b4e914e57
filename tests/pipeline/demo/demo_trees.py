"""What the tests of the demo city share: a small city, and a folder as a dictionary."""

from pathlib import Path

from pipeline.demo import DemoCity, DemoSettings, write_demo_city
from pipeline.demo.posts import DemoPlan, plan_city

CENTRE, RADIUS_KM = (12.0, -30.0), 12.0


def small(**changes: int) -> DemoSettings:
    """A city that is written in a fraction of a second."""
    return DemoSettings(**{"num_posts": 60, "num_users": 20, "image_side": 64, **changes})


def plan(settings: DemoSettings) -> DemoPlan:
    """What a city of these settings will hold."""
    return plan_city(settings, centre=CENTRE, radius_km=RADIUS_KM)


def write(folder: Path, settings: DemoSettings) -> DemoCity:
    """The city's files."""
    return write_demo_city(folder, settings, centre=CENTRE, radius_km=RADIUS_KM)


def tree(folder: Path) -> dict[str, tuple[float, bytes]]:
    """Every path inside -> its time and bytes (none of a folder)."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
