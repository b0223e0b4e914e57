"""The fields of a very small invented city: all its stages run, in their cheapest way, in a few seconds."""

from typing import Any

TINY: dict[str, Any] = {
    "name": "Tiny",
    "latitude": 12.0,
    "longitude": -30.0,
    "radius_km": 12.0,
    "is_synthetic": True,
    "demo": {"seed": 7, "num_pois": 4, "num_posts": 48, "num_users": 20, "image_side": 64},
    "curated_posts": {"language": "any", "min_hashtag_count": 2, "min_posts_per_poi": 3},
    "portrait_masks": {"weights": "builtin", "num_workers": 1},
    "clean_images": {"weights": "builtin", "num_workers": 1, "face_gate": "off", "face_gate_off_reason": "invented"},
    "image_features": {"weights": "builtin", "image_size": 32, "runtime": "torch"},
    "train_mrlf": {"model": "mrlf", "preset": "small", "max_epochs": 1, "num_threads": 1},
    "evaluate_mrlf": {"num_resamples": 100},
}
