"""Foursquare's answers as they came, kept for a time so that nothing is asked twice in it: a folder per question.

Writes crawl/foursquare/<city>/<digest of the query>/page-0000.json ... and state.json
Law: a page is on the disk before the state names it, both written beside and renamed; a killed fetch leaves what was
complete. The state says how to go on; no file holds the key. How long they may lie here: `keeping`.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.collect.poi_sources.foursquare_client import Page
from pipeline.collect.poi_sources.foursquare_places import BadPlace, Place, read_places
from pipeline.collect.web.answers import json_object
from pipeline.collect.web.errors import RetryError, SourceChangedError
from pipeline.errors import StageError
from pipeline.store.digests import bytes_digest, json_digest
from pipeline.store.files import write_atomically

FORMAT = 1
STATE = "state.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a fetch has come.

    links: where each page came from, "" for the first. digests: sha256 of each page. next_link: where the next page
    lies, "" where there is none. stopped: why paging ended before its end (`cursor_loop`, `refused_link`), else "".
    not_before_utc: the source said to stay away until then, else "". asked_before_utc: when the answers were asked for
    that lay here until their time was over, else "".
    """

    links: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    next_link: str = ""
    stopped: str = ""
    not_before_utc: str = ""
    started_utc: str = ""
    asked_before_utc: str = ""
    format: int = FORMAT

    @property
    def is_started(self) -> bool:
        """Whether there is a page."""
        return bool(self.digests)

    @property
    def started(self) -> datetime | None:
        """When the first page was asked for, None where there is none."""
        return datetime.fromisoformat(self.started_utc).astimezone(UTC) if self.started_utc else None

    def without_last(self) -> "State":
        """The state before its last page, which is to be asked for once more."""
        return replace(self, links=self.links[:-1], digests=self.digests[:-1], next_link=self.links[-1], stopped="")

    @property
    def is_finished(self) -> bool:
        """Whether the last page said that there is no other."""
        return self.is_started and not self.next_link and not self.stopped

    def digest(self) -> str:
        """What the POIs made of these answers depend on."""
        return json_digest([list(self.digests), self.stopped])


class AnswerFolder:
    """The kept answers of one question."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state(self) -> State:
        """How far the fetch has come; an empty one where nothing usable is kept."""
        path = self.folder / STATE
        if not path.is_file():
            return State()
        try:
            raw = json.loads(path.read_text())
            state = State(**{**raw, "links": tuple(raw["links"]), "digests": tuple(raw["digests"])})
            _ = state.started
        except (ValueError, TypeError, KeyError, OverflowError):
            raise StageError(
                f"{path} cannot be read: remove the folder {self.folder} to ask Foursquare anew"
            ) from None
        return state if state.format == FORMAT else State()

    def asked(self, now: datetime) -> datetime | None:
        """When the oldest answer that lies here was asked for, None where none lies here.

        As the state says; of pages that no readable state names, as old as their files, and never of the future.
        """
        written = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in self._beside_state()]
        return self._readable_state().started or min([*written, now]) if written else None

    def expire(self, asked: datetime) -> State:
        """Remove the answers at the end of their time; when they were asked for stays, and until when to stay away."""
        stay_away = self._readable_state().not_before_utc
        return self.begin_anew(State(not_before_utc=stay_away, asked_before_utc=asked.isoformat(timespec="seconds")))

    def begin_anew(self, state: State | None = None) -> State:
        """Forget all pages."""
        state = self.write(state or State())
        for path in self._beside_state():
            path.unlink(missing_ok=True)
        return state

    def put(self, state: State, link: str, page: Page, now: datetime) -> State:
        """Keep the page that follows those of `state`; returns the new state."""
        write_atomically(self._page(len(state.digests)), page.body)
        return self.write(
            replace(
                state,
                links=(*state.links, link),
                digests=(*state.digests, bytes_digest(page.body)),
                next_link=page.next_link,
                stopped="refused_link" if page.refused else "",
                not_before_utc="",
                asked_before_utc="",
                started_utc=state.started_utc or now.astimezone(UTC).isoformat(timespec="seconds"),
            )
        )

    def write(self, state: State) -> State:
        """Keep how far the fetch has come."""
        write_atomically(self.folder / STATE, json.dumps(asdict(state), indent=1).encode())
        return state

    def places(self, state: State) -> list[tuple[Place | BadPlace, ...]]:
        """The places of every page of `state`.

        Raises:
            StageError: a page is missing or is not what the state says.
        """
        return [self._places(index, digest) for index, digest in enumerate(state.digests)]

    def _places(self, index: int, digest: str) -> tuple[Place | BadPlace, ...]:
        path = self._page(index)
        advice = f"remove the folder {self.folder} to ask Foursquare anew"
        try:
            body = path.read_bytes()
            if bytes_digest(body) != digest:
                raise StageError(f"{path} is not the answer that was kept: {advice}")
            return read_places(json_object(body), body)
        except (FileNotFoundError, RetryError, SourceChangedError) as error:
            raise StageError(f"{path} cannot be read ({type(error).__name__}): {advice}") from None

    def _readable_state(self) -> State:
        try:
            return self.state()
        except StageError:  # reported by the fetch that meets it
            return State()

    def _beside_state(self) -> list[Path]:
        """The pages, those that no state names yet, what a killed write left of one, also in folders here."""
        here = [path for path in self.folder.rglob("*") if path.is_symlink() or not path.is_dir()]
        return [path for path in here if path != self.folder / STATE]

    def _page(self, index: int) -> Path:
        return self.folder / f"page-{index:04d}.json"
