"""The check of published weights: it skips aloud, passes what is equal, and fails what is not."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from bench import check_weights
from bench.check_weights import FAILED, LIMIT, SKIPPED, compare_fill, main
from models.vision import portraits
from models.vision.backbones import fixed_seed_weights
from models.vision.portraits import PortraitNetwork
from models.vision.u2net_weights import build, random_state
from pipeline.weights.fetching import WeightsUnavailableError
from pipeline.weights.weights_store import WeightsFile, WeightsStore
from tests.fakes.pictures import pixels
from tests.fakes.reference_lama import drawn_generator
from tests.fakes.short_lama import one_block


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    """A store without weights, on a machine where none are to be had."""

    def fetch(self, name):
        raise WeightsUnavailableError(f"{name} could not be fetched (the index does not answer)")

    monkeypatch.setenv("MRLF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("pipeline.weights.weights_store.WeightsStore.fetch", fetch)


@pytest.fixture(scope="module")
def state():
    return random_state("u2netp")


@pytest.fixture
def file(tmp_path, state):
    """A file of weights that nobody published."""
    path = tmp_path / "mine.safetensors"
    save_file(state, path)
    return f"u2netp={path}"


PICTURE = pixels(4, (320, 240))


@pytest.fixture(scope="module")
def official_map(state):
    """What the official script makes of a picture, with Pillow: resized, run, stretched, in bytes, enlarged."""
    small = np.asarray(Image.fromarray(PICTURE).resize((320, 320), Image.Resampling.BILINEAR))
    with torch.inference_mode():
        found = PortraitNetwork(build("u2netp", state))(torch.from_numpy(small.copy()).permute(2, 0, 1)[None])[0, 0]
    grey = ((found - found.min()) / (found.max() - found.min()) * 255).numpy().astype(np.uint8)
    return np.asarray(Image.fromarray(grey).resize(PICTURE.shape[1::-1], Image.Resampling.BILINEAR))


@pytest.fixture
def photos(tmp_path, official_map):
    """Made-up official pictures: maps that these random weights give."""
    folder = tmp_path / "photos" / "u2net"
    for name in ("input", "u2netp", "u2net"):
        (folder / name).mkdir(parents=True)
    Image.fromarray(PICTURE).save(folder / "input" / "cliff.png")
    Image.fromarray(official_map).convert("RGB").save(folder / "u2netp" / "cliff.png")
    return tmp_path / "photos"


@pytest.fixture
def small_side(monkeypatch):
    """The network sees pictures at a third of its side: enough for what fails."""
    for module in (portraits, check_weights):
        monkeypatch.setattr(module, "INPUT_SIDE_PX", 96)


@pytest.mark.fault("S37")
def test_weights_that_an_index_has_fail_where_they_cannot_be_had_and_others_are_skipped_aloud(photos, capsys):
    (photos / "lama").mkdir()
    assert main(["--photos", str(photos)]) == FAILED
    u2net, u2netp, lama, lite = capsys.readouterr().out.splitlines()
    assert u2net == "u2net: FAILED, u2net could not be fetched (the index does not answer)"
    assert u2netp.startswith("u2netp: FAILED, ")
    assert "big_lama: SKIPPED, no weights in" in lama and "mrlf weights fetch big_lama" in lama
    assert lite.startswith("efficientnet_lite0: SKIPPED, the official pictures are missing")


@pytest.mark.slow
@pytest.mark.fault("S37")
def test_weights_that_an_index_has_are_fetched_for_the_check(photos, state, tmp_path, monkeypatch, capsys):
    path = tmp_path / "fetched.safetensors"
    save_file(state, path)
    file = WeightsFile(name="u2netp", architecture="u2netp", path=path, weights_sha256="0" * 64, source=path)
    monkeypatch.setattr("pipeline.weights.weights_store.WeightsStore.fetch", lambda self, name: file)
    assert check_weights.check("u2netp", photos, WeightsStore(tmp_path), None)
    assert f" of at most {LIMIT}  (as the stage" in capsys.readouterr().out


def test_without_the_official_pictures_it_skips_aloud(tmp_path, file, capsys):
    assert main(["--photos", str(tmp_path / "nowhere"), "--file", file]) == SKIPPED
    assert capsys.readouterr().out.count("SKIPPED, the official pictures are missing") == 4


@pytest.mark.slow
def test_equal_maps_pass_and_what_could_not_be_checked_is_still_told(photos, file, capsys):
    assert main(["--photos", str(photos), "--file", file]) == FAILED  # of u2net, which was not to be had
    printed = capsys.readouterr().out
    assert "u2netp: passed" in printed and "u2net: FAILED" in printed and printed.count("SKIPPED") == 2


@pytest.mark.slow
def test_other_weights_fail(photos, small_side, tmp_path, capsys):
    other = tmp_path / "other.safetensors"
    save_file(random_state("u2netp", seed=1), other)
    assert main(["--photos", str(photos), "--file", f"u2netp={other}"]) == FAILED
    assert "u2netp: FAILED" in capsys.readouterr().out


@pytest.mark.slow
def test_nothing_compared_is_not_passed(photos, file, capsys):
    (photos / "u2net" / "input" / "cliff.png").unlink()
    assert main(["--photos", str(photos), "--file", file]) == FAILED


@pytest.mark.slow
def test_random_weights_do_not_pass_for_the_official_ones(shared_data, small_side, file, capsys):
    assert main(["--photos", str(shared_data / "photos"), "--file", file]) == FAILED
    assert capsys.readouterr().out.count(".jpg") == 4


class Grey(torch.nn.Module):
    """A filling network that predicts the same grey everywhere."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, pixels, masks):
        return torch.full(pixels.shape, self.value)


@pytest.mark.parametrize(
    ("value", "changed_at", "is_good"),
    [
        pytest.param(100.0, None, (True, True), id="equal"),
        pytest.param(104.0, None, (False, True), id="another fill"),
        pytest.param(100.0, np.s_[:24], (True, False), id="changed outside the hole"),
    ],
)
def test_a_fill_is_compared_in_the_hole_and_around_it(tmp_path, value, changed_at, is_good):
    picture, mask = pixels(1, (48, 48)).copy(), np.zeros((48, 48), np.uint8)
    mask[30:40, 10:20] = 255
    official = np.where(mask[:, :, None] > 0, 100, picture).astype(np.uint8)
    if changed_at is not None:
        official[changed_at] = 255 - official[changed_at]
    for name, array in (("image_1", picture), ("mask_1", mask), ("out_1", official)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    differences = [difference for _, difference, _ in compare_fill(Grey(value), tmp_path, "big_lama")]
    assert tuple(difference <= LIMIT for difference in differences) == is_good


@pytest.mark.slow
def test_a_random_lama_does_not_pass_for_the_official_one(shared_data, tmp_path, capsys):
    path = tmp_path / "lama.safetensors"
    save_file(drawn_generator(num_blocks=1).state_dict(), path)
    with one_block():
        assert main(["--photos", str(shared_data / "photos"), "--file", f"big_lama={path}"]) == FAILED
    assert "big_lama: FAILED" in capsys.readouterr().out


def test_random_weights_do_not_pass_for_those_of_efficientnet_lite0(shared_data, tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    save_file(fixed_seed_weights("efficientnet_lite0"), path)
    assert main(["--photos", str(shared_data / "photos"), "--file", f"efficientnet_lite0={path}"]) == FAILED
    printed = capsys.readouterr().out
    assert "efficientnet_lite0: FAILED" in printed and printed.count("as the stage resizes") == 3


def test_a_check_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--file", "u2nett=x"])
    assert "take u2net, u2netp, big_lama, efficientnet_lite0" in capsys.readouterr().err
