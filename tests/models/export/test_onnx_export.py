"""ONNX: the file answers as the network does, for any number and length of posts, and holds what a reader needs."""

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from models.best.wide_and_deep import Ensemble
from models.data.batches import make_batch
from models.data.samples import Samples
from models.data.text import TextConfig, Vocabulary, encode_text, normalise, words_of
from models.export.onnx_export import INPUTS, METADATA, export_onnx, export_pictures_onnx
from models.linear.linear_model import ALL_BLOCKS, fit_linear
from models.training.fitted import Fitted
from tests.fakes.onnx_exports import read_once
from tests.models.best.test_best import NETWORK as OF_TWO_SIZES
from tests.models.best.test_best import trained
from tests.models.explain.test_attention_shares import CAPTIONS, fitted, posts
from tests.models.synthetic import city

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent.parent
TOLERANCE = 1e-4
ONE_SIZE = {"char_filter_sizes": (4,), "word_filter_sizes": (4,), "hidden_dim": 8}
"""of filters: the time of an export goes with their number; with a hidden layer"""
NETWORK = dataclasses.replace(OF_TWO_SIZES, word_filter_sizes=(3,))
LABELS = [{"label": number, "name": f"Place {number}", "latitude": 1.5, "longitude": 2.5} for number in range(3)]


@pytest.fixture(scope="module", autouse=True)
def translations() -> Iterator[None]:
    """Read for the first export."""
    with read_once():
        yield


def inputs_of(model: Fitted, samples: Samples) -> dict[str, np.ndarray]:
    """What the file wants to be given for these posts."""
    text = encode_text(samples.captions, samples.hashtags, model.vocabulary, model.model_config)
    fields = (text.caption_chars, text.caption_words, text.hashtag_chars, text.hashtag_words)
    ids = [field.ids_NL.astype(np.int64) for field in fields]
    return dict(zip(INPUTS, [*ids, samples.image_ND, samples.has_image_N], strict=True))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Fitted, onnxruntime.InferenceSession]:
    """The small preset with filters of one size, and its file."""
    return exported(tmp_path_factory.mktemp("onnx"), **ONE_SIZE)


def exported(folder, **changes) -> tuple[Fitted, onnxruntime.InferenceSession]:
    """A network and the file made of it."""
    model = fitted(**changes)
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    export_onnx(model, folder / "model.onnx", LABELS, temperature=1.5, preprocessing={"known_hashtags": ["sea"]})
    after = model.model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert [path.name for path in folder.iterdir()] == ["model.onnx"], "one file, without weights beside it"
    return model, onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def assert_equal(model: Fitted, session: onnxruntime.InferenceSession, samples: Samples) -> None:
    """Scores and probabilities of these posts are the network's."""
    given = {node.name for node in session.get_inputs()}
    inputs = {name: array for name, array in inputs_of(model, samples).items() if name in given}
    logits, probabilities = session.run(["logits", "probabilities"], inputs)
    np.testing.assert_allclose(probabilities, model.predict_proba(samples), atol=TOLERANCE)
    text = encode_text(samples.captions, samples.hashtags, model.vocabulary, model.model_config)
    image_ND = model.scaler.transform(samples.image_ND)
    with torch.inference_mode():
        rows = np.arange(len(samples))
        batch = make_batch(text, image_ND, samples.has_image_N, rows, torch.device("cpu"))
        np.testing.assert_allclose(logits, model.model(batch).numpy(), atol=TOLERANCE)


@pytest.mark.fault("T12")
@pytest.mark.parametrize(
    "rows", [[0], [1], [2, 3], [4], list(range(len(CAPTIONS))), list(range(len(CAPTIONS))) * 20], ids=len
)
def test_any_number_and_length_of_posts_is_answered_as_by_the_network(small, rows):
    """Among them an empty caption, no hashtags, no picture, and texts beyond every limit."""
    assert_equal(*small, posts().take(rows))


@pytest.mark.fault("T12")
def test_shorter_and_longer_padding_give_the_same_answer(small):
    model, session = small
    inputs = inputs_of(model, posts().take([0]))
    [plain] = session.run(["logits"], inputs)
    wider = {
        name: np.pad(array, ((0, 0), (0, 7))) if array.ndim == 2 and "image" not in name else array
        for name, array in inputs.items()
    }
    [padded] = session.run(["logits"], wider)
    np.testing.assert_allclose(plain, padded, atol=1e-5)


@pytest.mark.fault("T12")
def test_labels_vocabulary_and_preprocessing_travel_with_the_file(small):
    model, session = small
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert about["labels"] == LABELS
    assert about["temperature"] == 1.5
    assert about["known_hashtags"] == ["sea"]
    for name in ("characters", "words", "hashtags"):
        assert about["vocabulary"][name] == list(getattr(model.vocabulary, name))
    config = model.model_config
    assert about["limits"] == {
        "caption_chars": config.max_caption_chars,
        "caption_words": config.max_caption_words,
        "hashtag_chars": config.max_hashtag_chars,
        "hashtags": config.max_hashtags,
    }
    assert about["image_dim"] == 5


@pytest.mark.fault("T12")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"fusion": "early_self", "norm_after_pool": True, "pooling": "sum", "words": False, **ONE_SIZE},
            id="both ask both",
        ),
        pytest.param(
            {"fusion": "text_image", "char_pool": "disjoint", "words": False, "num_attention_layers": 0, **ONE_SIZE},
            id="the picture asks",
        ),
        pytest.param({"modalities": ("hashtags",), "char_filter_sizes": (3, 7)}, id="hashtags alone"),
    ],
)
def test_other_networks_are_answered_alike(changes, tmp_path):
    assert_equal(*exported(tmp_path, **changes), posts())


@pytest.fixture(scope="module")
def blend(tmp_path_factory) -> tuple[Ensemble, onnxruntime.InferenceSession]:
    """A model of preset `best` and its file."""
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    best = trained(network_config=NETWORK)
    # two networks are several, and the weight is whatever so few posts were found to say for them
    best = dataclasses.replace(best, networks=best.networks[:2], deep_weight=0.6)
    assert len(best.networks) == 2 and len(best.layer.weights) == 5
    labels = [{"label": number, "name": str(number)} for number in range(best.num_classes)]
    export_onnx(best, path, labels)
    return best, onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def blend_inputs(session: onnxruntime.InferenceSession, samples: Samples) -> dict[str, np.ndarray]:
    """By the metadata alone: ids of the common vocabulary, and n-grams as scikit-learn counts them."""
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    vocabulary = Vocabulary(*(tuple(about["vocabulary"][name]) for name in ("characters", "words", "hashtags")))
    text = encode_text(samples.captions, samples.hashtags, vocabulary, TextConfig())
    fields = (text.caption_chars, text.caption_words, text.hashtag_chars, text.hashtag_words)
    ids = [field.ids_NL.astype(np.int64) for field in fields]
    inputs = dict(zip(INPUTS, [*ids, samples.image_ND, samples.has_image_N], strict=True))
    texts = [normalise(caption) for caption in samples.captions]
    for name, how in (
        ("ngrams", {"analyzer": "char_wb", "ngram_range": (2, 5)}),
        ("word_ngrams", {"tokenizer": words_of, "token_pattern": None, "ngram_range": (1, 2)}),
    ):
        terms = {term: column for column, term in enumerate(about[name])}
        counts = CountVectorizer(vocabulary=terms or {"none is known": 0}, **how).transform(texts)
        most = max(1, int(counts.getnnz(axis=1).max()))
        inputs[name] = np.zeros((len(texts), most), dtype=np.int64)
        inputs[f"{name}_counts"] = np.zeros((len(texts), most), dtype=np.float32)
        for row in range(len(texts)):
            found = counts[row].tocoo()
            inputs[name][row, : found.nnz] = found.col + 1
            inputs[f"{name}_counts"][row, : found.nnz] = found.data
    return inputs


def lacking_parts(posts: Samples) -> Samples:
    """The posts, the caption, the hashtags and the picture missing in turn."""
    return dataclasses.replace(
        posts,
        captions=[("" if row % 4 == 1 else caption) for row, caption in enumerate(posts.captions)],
        hashtags=[([] if row % 4 == 2 else list(dict.fromkeys(tags))) for row, tags in enumerate(posts.hashtags)],
        has_image_N=np.arange(len(posts)) % 4 != 3,
    )


@pytest.mark.fault("T12")
def test_a_blend_of_linear_layer_and_networks_is_answered_alike(blend):
    """Posts with all three, and each part missing in turn."""
    best, session = blend
    lacking = lacking_parts(city(24, seed=77))
    for asked in (lacking, lacking.take([1]), lacking.take([2, 3])):
        [found_NC] = session.run(["probabilities"], blend_inputs(session, asked))
        np.testing.assert_allclose(found_NC, best.predict_proba(asked), atol=TOLERANCE)


@pytest.mark.fault("S24")
def test_the_file_names_no_folder_and_no_code_of_the_exporter(small, tmp_path):
    session = small[1]
    export_pictures_onnx(torch.nn.Flatten().double(), tmp_path / "pictures.onnx", {"image_size": 8})
    for path in (Path(session._model_path), tmp_path / "pictures.onnx"):
        data = path.read_bytes()
        for canary in (str(ROOT), sys.prefix, str(Path.home()), ".py", "tests.", "models.", "stack_trace", "File "):
            assert canary.encode() not in data, f"{path.name} holds {canary}"
        assert [entry.key for entry in onnx.load(path).metadata_props] == [METADATA]


@pytest.mark.fault("N6")
@pytest.mark.parametrize("blocks", [ALL_BLOCKS, ("hashtags",)], ids=["all three", "hashtags alone"])
def test_a_linear_model_is_answered_alike(tmp_path, blocks):
    """Posts with all three, each part missing in turn, and a place without a training post."""
    model, facts = fit_linear(city(120, seed=1), 13, blocks), {"picture": {"num_features": 64}}
    export_onnx(model, tmp_path / "model.onnx", [{"label": number} for number in range(13)], preprocessing=facts)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    asked = lacking_parts(city(24, seed=77))
    for some in (asked, asked.take([1])):
        given = {node.name for node in session.get_inputs()}
        inputs = {name: array for name, array in blend_inputs(session, some).items() if name in given}
        [found_NC] = session.run(["probabilities"], inputs)
        np.testing.assert_allclose(found_NC, model.predict_proba(some), atol=TOLERANCE)
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA])
    assert about["network"] == "Linear" and about["vocabulary"]["hashtags"]


def test_labels_of_another_model_and_a_missing_package_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="2 labels do not belong to a model of 3 classes"):
        export_onnx(fitted(), tmp_path / "x.onnx", LABELS[:2])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install onnxscript"):
        export_onnx(fitted(), tmp_path / "x.onnx", LABELS)
    assert not list(tmp_path.iterdir())


def test_the_scaler_is_inside(small):
    """A picture far out of the ordinary is clipped in the file as it is outside."""
    model, session = small
    far = dataclasses.replace(posts(), image_ND=posts().image_ND * 1e6)
    assert_equal(model, session, far)
