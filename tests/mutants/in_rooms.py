"""Nineteen more slips, one or two a room, of the same kinds: limits, ties, orders, what counts as nothing.

Equal in effect, and therefore not here: a stated length of a request that is let through (the body is cut off at the
same limit while it is read), the longest rest left out in the client (`Pace.rest` holds it
too), and names of three letters with an `'s` (`bu's` for Bus Stop: nobody writes that).
"""

from tests.mutants.defect import Defect

IN_ROOMS = (
    Defect(
        "top-zero",
        "pipeline/serve/form.py",
        "not 1 <= int(top) <= limits.max_top",
        "not 0 <= int(top) <= limits.max_top",
        "test_predict_route.py test_question.py",
    ),
    Defect(
        "mean-of-splits",
        "pipeline/predict/loading.py",
        "if difference > MAX_DIFFERENCE:",
        "if difference > 1.0:",
        "test_loading.py",
    ),
    Defect(
        "append-twice",
        "pipeline/store/tables.py",
        ".transaction_version(writer) or 0) >= number",
        ".transaction_version(writer) or 0) > number",
        "test_tables.py",
    ),
    Defect(
        "storage-negative",
        "pipeline/weights/torchscript_file.py",
        "min((offset, *size, *stride), default=0) >= 0 and",
        "",
        "test_torchscript_file.py",
    ),
    Defect(
        "size-unknown",
        "pipeline/weights/transfer.py",
        "if _size(self.part) < whole:",
        "if _size(self.part) > whole:",
        "test_transfer.py",
    ),
    Defect(
        "answers-length",
        "pipeline/collect/web/answers.py",
        "if clock.monotonic() - started > deadline_s:",
        "if clock.monotonic() - started > 100 * deadline_s:",
        "test_media_downloads.py test_foursquare_client.py",
    ),
    Defect(
        "cookie-expired",
        "pipeline/collect/instagram/cookie_files.py",
        "cookie.expires is None or cookie.expires > now_s",
        "cookie.expires is None or cookie.expires < now_s",
        "test_session.py",
    ),
    Defect(
        "milliseconds",
        "pipeline/collect/instagram/cookie_files.py",
        "return seconds / 1000 if seconds >= _FIRST_MILLISECONDS else seconds",
        "return seconds",
        "test_session.py",
    ),
    Defect(
        "tiny-picture",
        "pipeline/collect/instagram/media/photos.py",
        "min(picture.width or 0, picture.height or 0) < TINY_PX",
        "max(picture.width or 0, picture.height or 0) < TINY_PX",
        "test_bad_pictures.py",
    ),
    Defect(
        "rest-doubles",
        "pipeline/collect/instagram/media/hosts.py",
        "first_s * GROWTH ** min(num_before, 9)",
        "first_s",
        "test_media_downloads.py",
    ),
    Defect(
        "status-408",
        "pipeline/collect/instagram/media/downloads.py",
        "status in (408, 425)",
        "status in (425,)",
        "test_media_downloads.py",
    ),
    Defect(
        "deferred-due",
        "pipeline/collect/instagram/dry_run.py",
        "state = 'deferred' AND not_before <= ?",
        "state = 'deferred' AND not_before >= ?",
        "test_dry_run.py",
    ),
    Defect(
        "one-dimension",
        "pipeline/study/study_pictures.py",
        "ratios.get(digest, 1.0) <= max_ratio",
        "ratios.get(digest, 0.0) <= max_ratio",
        "test_study_data.py test_study_variants.py",
    ),
    Defect(
        "study-within",
        "pipeline/study/scoring.py",
        '(frame["error_km"] <= 1.0)',
        '(frame["error_km"] < 1.0)',
        "test_study_scoring.py",
    ),
    Defect(
        "tie-of-ranks",
        "pipeline/study/work.py",
        "((proba == own) & is_lower)",
        "(proba == own)",
        "test_study.py",
    ),
    Defect(
        "least-hashtags",
        "pipeline/study/variants.py",
        "self._of_city.hashtag_counts[tag] >= least",
        "self._of_city.hashtag_counts[tag] > least",
        "test_study_variants.py",
    ),
    Defect(
        "preview-bytes",
        "assets/metadata.py",
        "if len(png) > MAX_PREVIEW_BYTES:",
        "if len(png) > 10 * MAX_PREVIEW_BYTES:",
        "test_asset_results.py test_asset_runs.py",
    ),
    Defect(
        "fixed-bias",
        "models/vision/backbones.py",
        "FIXED_BIAS = 1.0",
        "FIXED_BIAS = 0.5",
        "test_backbones.py",
    ),
    Defect(
        "deep-weight-zero",
        "models/best/ensemble.py",
        "deep_weight=float(pool.weights_M[-1]),",
        "deep_weight=0.0,",
        "test_best.py",
    ),
)
