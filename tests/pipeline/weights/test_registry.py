"""The registry: every entry can be checked, and torchvision's are those of its own enums."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pipeline.weights.converting import known_architectures
from pipeline.weights.digests import FileDigests, read_digests
from pipeline.weights.packages import package_of
from pipeline.weights.registry import REGISTRY, SHIPPED, SHIPPED_FOLDER

ENTRIES = [pytest.param(entry, id=name) for name, entry in REGISTRY.items()]


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_has_a_digest_and_a_licence_and_asks_over_https(entry):
    assert re.fullmatch(r"sha256 [0-9a-f]{64}|md5 [0-9a-f]{32}", entry.digest)
    assert entry.licence in ("Apache-2.0", "MIT", "BSD-3-Clause")
    assert entry.architecture in known_architectures()
    assert entry.addresses or entry.page
    for address in entry.addresses:
        parts = urlsplit(address)
        assert parts.scheme == "https" or address.startswith(SHIPPED) or package_of(address)
        assert parts.hostname != "drive.google.com"
        assert (parts.fragment or parts.path).endswith(Path(entry.file_name).suffix)


def test_what_ships_is_here_with_its_digest():
    for entry in REGISTRY.values():
        for address in entry.addresses:
            if address.startswith(SHIPPED):
                assert entry.matches(read_digests(SHIPPED_FOLDER / address.removeprefix(SHIPPED)))


def test_packages_come_last_so_that_what_is_published_is_asked_first():
    for entry in REGISTRY.values():
        are_packages = [package_of(address) is not None for address in entry.addresses]
        assert are_packages == sorted(are_packages)


def test_half_of_the_networks_are_to_be_had_where_there_is_only_an_index():
    names = {name for name, entry in REGISTRY.items() if any(map(package_of, entry.addresses))}
    assert names == {"u2net", "u2netp", "efficientnet_lite0", "minilm", "minilm_tokenizer"}


def test_names_and_digests_are_given_once():
    digests = [entry.digest for entry in REGISTRY.values()]
    assert len(digests) == len(set(digests))
    assert all(name == entry.name for name, entry in REGISTRY.items())


def test_every_stage_has_weights_by_default():
    assert {entry.used_by for entry in REGISTRY.values() if entry.is_default} == {
        "portrait_masks",
        "clean_images",
        "image_features",
    }
    assert all(entry.addresses and entry.sha256 and entry.num_bytes for entry in REGISTRY.values() if entry.is_default)


@pytest.mark.parametrize("name", ["vgg19", "vgg16", "resnet50", "resnet101", "densenet121"])
def test_the_backbones_are_those_of_torchvisions_enums(name):
    from torchvision.models import get_model_weights

    published, entry = get_model_weights(name).IMAGENET1K_V1, REGISTRY[name]
    assert entry.addresses == (published.url,)
    assert entry.sha256.startswith(published.url.removesuffix(".pth").rpartition("-")[2])
    assert entry.num_bytes / 2**20 == pytest.approx(published.meta["_file_size"], abs=0.0005)


def test_a_file_matches_by_the_digest_that_is_published():
    by_sha256, by_md5 = REGISTRY["u2netp"], REGISTRY["u2netp_pth"]
    found = FileDigests(sha256=by_sha256.sha256, md5=by_md5.md5, num_bytes=1)
    other = FileDigests(sha256="0" * 64, md5="0" * 32, num_bytes=1)
    assert by_sha256.matches(found) and by_md5.matches(found)
    assert not by_sha256.matches(other) and not by_md5.matches(other)
