"""The limits of a client of Instagram where a city sets none, for tests that make the client themselves."""

from typing import Any

from pipeline.collect.instagram.settings import LiveSettings


def client_limits(**changes: Any) -> dict[str, Any]:
    """The defaults of `live:` under the client's names, with these changes."""
    live = LiveSettings()
    limits = {
        "cool_downs_s": live.cool_downs_s,
        "throttled_within_s": live.cool_down_window_s,
        "timeout_s": live.request_timeout_s,
    }
    return limits | changes
