"""The simplest client of a fake Instagram: one request at a time with `requests`, no pace, no second try."""

from collections.abc import Mapping
from typing import Any

import requests

from pipeline.collect.web.answers import json_object
from pipeline.collect.web.errors import HumanError, RetryError, SourceChangedError, WaitError
from tests.fakes.instagram_server import FakeInstagram

HEADERS = {"X-IG-App-ID": "1", "X-Requested-With": "XMLHttpRequest"}


class PlainClient:
    """Signed in with the world's session, or a visitor; `asked` are the paths it asked."""

    def __init__(self, instagram: FakeInstagram, *, is_signed_in: bool = True) -> None:
        self.is_signed_in = is_signed_in
        self.asked: list[str] = []
        self._base = instagram.url
        self._session = requests.Session()
        if is_signed_in:
            self._session.cookies.update(instagram.world.cookies())
            self._session.headers.update({"X-CSRFToken": instagram.world.csrf_token})

    def get_json(self, path: str, params: Mapping[str, str] | None = None, *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a GET answers."""
        return json_object(self._body("GET", path, referer, params=dict(params or {})), is_strict=False)

    def post_json(self, path: str, form: Mapping[str, str], *, referer: str = "") -> dict[str, Any]:
        """The JSON object that a POST answers."""
        return json_object(self._body("POST", path, referer, data=dict(form)), is_strict=False)

    def get_page(self, path: str) -> str:
        """The text of a page."""
        return self._body("GET", path, "", headers={}).decode()

    def _body(self, method: str, path: str, referer: str, **options: Any) -> bytes:
        self.asked.append(path)
        headers = options.pop("headers", HEADERS | {"Referer": f"{self._base}/{referer}"})
        response = self._session.request(
            method, f"{self._base}/{path}", headers=headers, allow_redirects=False, timeout=10, **options
        )
        if response.is_redirect:
            raise HumanError("login_required", "sign in")
        if response.status_code == requests.codes.too_many:
            raise WaitError("throttled")
        if response.status_code >= 500:
            raise RetryError(f"status_{response.status_code}")
        if response.status_code != requests.codes.ok:
            raise SourceChangedError(f"status_{response.status_code}")
        return response.content
