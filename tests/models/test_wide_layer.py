"""The wide part as a torch module: the scores of the linear layer, in any company, and in an exported graph."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from models.experts import EXPERTS, fit_expert, joined, rounded
from models.wide_features import WideFeatures
from models.wide_layer import WideLayer, wide_input
from tests.models.synthetic import NUM_CLASSES, city

TRAIN = city(60)
ASKED = dataclasses.replace(city(20, seed=2), has_image_N=np.arange(20) % 3 > 0)


def parts(only=None):
    features = WideFeatures.learn(TRAIN)
    blocks = features.transform(TRAIN)
    layers = {name: fit_expert(expert, blocks, TRAIN.labels_N, NUM_CLASSES, 3.0) for name, expert in EXPERTS.items()}
    return features, rounded(joined(layers, {name: 0.5 * (only in (None, name)) for name in layers}))


@pytest.mark.parametrize("only", [None, "caption", "image"])
def test_its_scores_are_those_of_the_linear_layer(only):
    features, layer = parts(only)
    expected = layer.logits(features.transform(ASKED))
    scores = WideLayer(layer, features)(*wide_input(features, ASKED))
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-5)


def test_how_far_the_batch_is_padded_moves_nothing():
    features, layer = parts()
    wide, whole = WideLayer(layer, features), wide_input(features, ASKED)
    alone = torch.cat([wide(*wide_input(features, ASKED.take([row]))) for row in range(len(ASKED))])
    np.testing.assert_allclose(alone.numpy(), wide(*whole).numpy(), atol=1e-6)


def test_a_post_of_nothing_gets_the_bias():
    features, layer = parts()
    bare = dataclasses.replace(ASKED.take([0]), captions=[""], hashtags=[[]], has_image_N=np.array([False]))
    scores = WideLayer(layer, features)(*wide_input(features, bare))
    np.testing.assert_allclose(scores.numpy(), layer.bias_C[None], atol=1e-6)


@pytest.mark.fault("T12")
def test_an_exported_graph_tells_the_same_of_any_number_of_posts(tmp_path):
    features, layer = parts()
    wide, example = WideLayer(layer, features), wide_input(features, ASKED)
    posts, most = torch.export.Dim("posts", min=1), torch.export.Dim("most", min=1)
    shapes = ({0: posts, 1: most}, {0: posts, 1: most}, {0: posts})
    torch.onnx.export(wide, tuple(example), tmp_path / "wide.onnx", dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "wide.onnx")
    for rows in ([0], [3, 4, 5], range(20)):
        given = wide_input(features, ASKED.take(list(rows)))
        names = [entry.name for entry in session.get_inputs()]
        found = session.run(None, {name: value.numpy() for name, value in zip(names, given, strict=True)})[0]
        np.testing.assert_allclose(found, wide(*given).numpy(), atol=1e-5)
