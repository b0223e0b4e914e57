"""The page as text: it loads nothing from anywhere, nothing else may run in it, and what it shows is escaped."""

import re

import pytest
import requests

from pipeline.serve.limits import Limits
from pipeline.serve.page import render_page
from tests.fakes.predictor import town_predictor

pytestmark = pytest.mark.slow


def rendered(**facts: object) -> tuple[str, str]:
    """Page and policy for the town, with these facts."""
    return render_page(town_predictor().facts.model_copy(update=facts), coarse=False, limits=Limits())


def test_the_page_names_no_other_host_and_no_other_file():
    page, _ = rendered()
    addresses = re.findall(r"""(?:https?:)?//[\w.-]+[^\s"'<]*""", re.sub(r"^\s*//.*$", "", page, flags=re.MULTILINE))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}, "a name, not an address that anything is loaded from"
    assert not re.findall(r"(?:src|href|action|srcset|poster|data)\s*=", page.split("<script")[0])
    assert not re.findall(r"@import|url\(|\.innerHTML|insertAdjacentHTML|document\.write|eval\(", page)


@pytest.mark.fault("N15")
def test_the_page_asks_beside_itself_so_that_it_works_under_any_path_of_a_proxy():
    assert re.findall(r'fetch\("([^"]*)"', rendered()[0]) == ["predict", "models"]


def test_script_and_style_carry_the_nonce_of_the_policy_and_nothing_is_inline_besides():
    page, policy = rendered()
    [nonce] = set(re.findall(r"'nonce-([\w-]{20,})'", policy))
    assert re.findall(r"<(script|style)([^>]*)>", page) == [
        ("style", f' nonce="{nonce}"'),
        ("script", f' nonce="{nonce}"'),
    ]
    assert not re.findall(r"<[a-z]+[^>]*\s(?:on\w+|style)\s*=", page.split("<script")[0])
    assert "unsafe" not in policy and "*" not in policy
    for part in ("default-src 'none'", "connect-src 'self'", "img-src blob:", "base-uri 'none'", "form-action 'none'"):
        assert part in policy
    assert rendered()[1] != policy, "drawn anew each time"


@pytest.mark.fault("D9")
def test_a_hostile_city_is_shown_as_text():
    page, _ = rendered(city_name='<script>alert(1)</script>"onload="x', run="<b>run</b>", release="{{ 7 * 7 }}")
    assert "<script>alert" not in page and "<b>run" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_it_says_what_it_must_not_be_used_for_and_that_it_needs_javascript():
    page, _ = rendered()
    assert "must not be used to find one" in page and "nothing is stored" in page
    assert re.search(r"<noscript>.*needs JavaScript.*</noscript>", page, re.DOTALL)
    assert "is invented" in page and "is invented" not in rendered(is_synthetic=False)[0]


def test_the_served_page_comes_with_its_own_policy(server):
    answered = requests.get(server, timeout=20)
    [nonce] = set(re.findall(r'nonce="([\w-]+)"', answered.text))
    assert f"'nonce-{nonce}'" in answered.headers["content-security-policy"]
    assert answered.headers["content-type"].startswith("text/html")
