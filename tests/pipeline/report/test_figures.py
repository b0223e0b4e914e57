"""Figures: valid PNGs whatever the names, places and numbers are."""

import io

import pytest
from PIL import Image

from pipeline.report.content import Epoch, PlaceResult
from pipeline.report.figures import (
    MAX_BARS,
    MAX_COUNTS_IN_MATRIX,
    class_histogram,
    confusion_matrix,
    drawable,
    drawn_mistakes,
    message,
    mistakes,
    numbered,
    training_curve,
)
from pipeline.report.maps import MapPoint, poi_map


def place(number: int, name: str, category: str = "Food") -> PlaceResult:
    return PlaceResult(
        number=number,
        label=number - 1,
        name=name,
        category=category,
        latitude=1.0,
        longitude=2.0,
        num_posts=5,
        num_test=2,
        num_right=1,
        mistaken_for=None,
        num_mistaken=0,
    )


def point(latitude: float, longitude: float, name: str = "Old Library", num_posts: int = 5) -> MapPoint:
    return MapPoint(
        number=1, name=name, latitude=latitude, longitude=longitude, num_posts=num_posts, num_right=num_posts // 2
    )


def size_of(png: bytes) -> tuple[int, int]:
    image = Image.open(io.BytesIO(png), formats=("PNG",))
    image.load()
    return image.size


@pytest.mark.parametrize(
    "points",
    [
        pytest.param([], id="none"),
        pytest.param([point(10, 20)], id="one"),
        pytest.param([point(10, 20), point(10, 20)], id="two at one spot"),
        pytest.param([point(10, 179.9), point(10.1, -179.9)], id="across the date line"),
        pytest.param([point(89.9, 20), point(89.8, -100)], id="near a pole"),
        pytest.param([point(10, 20, num_posts=0), point(11, 21, num_posts=0)], id="no posts"),
        pytest.param([point(10, 20, "$\\frac{$ 東京 <b>"), point(11, 21, "")], id="hostile names"),
    ],
)
def test_map(points):
    arrows = [(0, 1, 3)] if len(points) > 1 else []
    assert size_of(poi_map(points, arrows))[0] > 300


def test_a_city_across_the_date_line_is_drawn_as_near_as_it_is():
    near, across = [point(10, 20), point(10.1, 20.2)], [point(10, 179.9), point(10.1, -179.9)]
    (width, height), (other_width, other_height) = size_of(poi_map(near)), size_of(poi_map(across))
    assert abs(width / height - other_width / other_height) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, MAX_COUNTS_IN_MATRIX + 1])
def test_confusion_matrix(count):
    places = [place(number, f"Place $ {number}", f"Category {number % 3}") for number in range(1, count + 1)]
    confusion = [[row == column for column in range(count)] for row in range(count)]
    assert min(size_of(confusion_matrix(places, confusion))) > 200


def test_mistakes_come_most_frequent_first_and_hits_never():
    confusion = [[5, 1, 0], [2, 0, 2], [0, 0, 3]]
    assert mistakes(confusion) == [(1, 0, 2), (1, 2, 2), (0, 1, 1)]
    assert drawn_mistakes(confusion) == [(1, 0, 2), (1, 2, 2)]
    assert drawn_mistakes([[1, 1], [0, 2]]) == [(0, 1, 1)]
    assert mistakes([[1, 0], [0, 2]]) == drawn_mistakes([[1, 0], [0, 2]]) == []


@pytest.mark.parametrize("num_epochs", [0, 1, 12])
def test_training_curve(num_epochs):
    epochs = [
        Epoch(epoch=epoch, train_loss=1.0, validation_loss=float("nan"), validation_accuracy=0.5, learning_rate=0.1)
        for epoch in range(1, num_epochs + 1)
    ]
    assert min(size_of(training_curve(epochs, num_epochs))) > 100


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, MAX_BARS + 2])
def test_class_histogram(count):
    assert min(size_of(class_histogram([(f"POI {n}", n) for n in range(count)], title="posts"))) > 100


def test_message():
    assert min(size_of(message("nothing yet"))) > 100


def test_a_name_without_letters_in_the_font_is_left_to_its_number():
    assert [drawable("Café Größe"), drawable("香港大學")] == ["Café Größe", ""]
    assert [numbered(3, "Café"), numbered(3, "香港大學")] == ["3  Café", "3"]
    assert len(drawable("x" * 100)) == 28
