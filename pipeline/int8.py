"""Networks in int8, one for each city and stage that asks for them: the pictures drawn for it, and what is kept.

data/weights/int8/<city>/<stage>.<key>.xml, .bin   the network, as OpenVINO reads it
data/weights/int8/<city>/<stage>.<key>.json        the verdict of its gate with the figures, written last

Law: a city keeps its network. New pictures make no other, so they make no row stale; nor do new versions of NNCF and
OpenVINO. It is made anew where the weights, the settings that it depends on or our recipe changed, or a file is
damaged or was removed.
Law: a verdict is kept, too, where the gate did not pass: it is not measured again, and the stage runs as `auto`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.progress import log
from pipeline.store import Store
from pipeline.store.blobs import Kind, LostPictureError
from pipeline.store.digests import file_digest, json_digest
from pipeline.store.kept import read_kept, write_kept
from pipeline.weights import Int8

NUM_CALIBRATION = 128
"""pictures from which a network in int8 is made"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a gate found. about: a sentence with the figures. calibration: the digest of the digests of the pictures.

    sha256: of the two files of the network. made_with: the versions of the packages.
    """

    is_good: bool
    about: str
    sha256: str
    calibration: str
    made_with: str
    made_utc: str


class KeptInt8:
    """The network in int8 of a city's stage.

    depends_on: all that decides it beside the pictures: the weights, settings, the limits of the gate.
    """

    def __init__(self, store: Store, city: str, stage: str, depends_on: list[object]) -> None:
        name = f"{stage}.{json_digest(depends_on)[:16]}"
        self.path = store.root / "weights" / "int8" / city / f"{name}.xml"
        self._record_path = self.path.with_suffix(".json")
        self._title = f"{city} {stage}"

    def find(self) -> Int8 | None:
        """The network, or that it did not pass; None where none was made yet, or its files are not as they were."""
        verdict = read_kept(self._record_path, lambda content: Verdict(**content))
        if verdict is None:
            return None
        if not verdict.is_good:
            return Int8(path=None, sha256="", about=verdict.about)
        if self._sha256() != verdict.sha256:
            log.warning("%s: the network in int8 %s is damaged: made again", self._title, self.path)
            return None
        return Int8(path=self.path, sha256=verdict.sha256, about=verdict.about)

    def make(
        self,
        calibration: list[str],
        quantise: Callable[[Path], str],
        gate: Callable[[Path], tuple[bool, str]],
    ) -> Int8:
        """Make it from these pictures and judge it; where it does not pass, the verdict alone is kept.

        quantise: writes the network and says with what. gate: whether it is good enough, and the figures.
        """
        log.info("%s: making its network in int8 from %d pictures of the city", self._title, len(calibration))
        made_with = quantise(self.path)
        log.info("%s: judging it on other pictures", self._title)
        is_good, figures = gate(self.path)
        verdict = Verdict(
            is_good=is_good,
            about=f"int8 is {'on' if is_good else 'off'}: {figures}",
            sha256=self._sha256() or "",
            calibration=json_digest(calibration),
            made_with=made_with,
            made_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if not is_good:
            verdict = replace(verdict, sha256="")
            for path in self._files:
                path.unlink(missing_ok=True)
        write_kept(self._record_path, asdict(verdict))
        log.log(20 if is_good else 30, "%s: %s", self._title, verdict.about)
        return Int8(path=self.path if is_good else None, sha256=verdict.sha256, about=verdict.about)

    @property
    def _files(self) -> tuple[Path, Path]:
        return self.path, self.path.with_suffix(".bin")

    def _sha256(self) -> str | None:
        """None where a file is not there."""
        if not all(path.is_file() for path in self._files):
            return None
        return json_digest([file_digest(path) for path in self._files])


def too_few(stage: str, num: int, least: int, what: str) -> Int8:
    """That the city is too small to make a network for it, or to judge one; looked at again at the next run."""
    about = (
        f"int8 is off: the city has {num:,} {what} for {stage}, and {least:,} are needed to make and judge a network"
    )
    return Int8(path=None, sha256="", about=about)


def drawn(store: Store, kind: Kind, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Pictures in the order of their digests, random and always the same; those that are lost are left out."""
    for digest in sorted(digests):
        try:
            yield digest, store.blobs.get(kind, digest)
        except LostPictureError:
            continue
