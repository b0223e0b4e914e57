"""The opt-out list: accounts and posts that are never taken, under keyed hashes.

Reads and writes private/opt_out.txt, mode 0600: a line that names the key it was made with, then a hash per entry
Law: nobody on the list can be read from it, and the list holds in all cities. A list that cannot be read whole, or was
made with another pseudonym key, stops the work: it would cover nobody in silence.
Covered: an account by its id or @name, be it the owner of a post or one of its co-authors, a post by its media id,
shortcode or address, as far as a post names these; and what the store's cities hold of them when they are added. Not
covered: an account listed by a name that it has changed since; copies of a post by somebody else; co-authors of live
posts that a version of the pipeline collected which did not read them, until their place is passed again.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import StageError
from pipeline.privacy.pseudonyms import Pseudonyms, load_opt_out_pseudonyms
from pipeline.store import Store
from pipeline.store.files import write_atomically
from pipeline.text.captions import clean_name

OPT_OUT_FILE = "opt_out.txt"
HEADER = "# opt-out list 1, made with key "
WHAT_IT_MAY_BE = (
    "an account's id or @name, a post's media id or shortcode, or the address of an account or a post on instagram.com"
)

_HASH = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"([0-9]{1,40})(?:_[0-9]+)?")  # the iPhone API's media ids end in _<owner id>
_WHOLE_AS_FLOAT = re.compile(r"\A([0-9]{1,40})\.0+\Z")  # an id, as a spreadsheet writes it back
_AROUND = " \t\"'`,;"  # what is left of a line of a table
_USER_NAME = re.compile(r"[a-z0-9._]{1,30}")
_SHORTCODE = re.compile(r"[A-Za-z0-9_-]{5,64}")
_SHORTCODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # pragma: allowlist secret
_MEDIA_ID_CHARACTERS = 11  # what a private post's shortcode holds beyond is a key, not the id
_INSTAGRAM = ("instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am")
_POST_FOLDERS = ("p", "reel", "reels", "tv")


@dataclass(frozen=True, slots=True)
class OptOut:
    """Who and what is left out; empty where there is no list."""

    hashes: frozenset[str] = frozenset()
    pseudonyms: Pseudonyms | None = None

    @classmethod
    def load(cls, store: Store) -> "OptOut":
        """The list of a store; without a list no pseudonym key is asked for or made.

        Raises:
            StageError: a line is no hash, or the list was made with another pseudonym key.
        """
        path = _path(store)
        if not path.exists():
            return cls()
        pseudonyms = load_opt_out_pseudonyms(store, may_make=False)
        return cls(_parse(path, pseudonyms), pseudonyms)

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def fingerprint(self) -> str:
        """Changes with what is on the list and gives nothing of it away."""
        return hashlib.sha256("\n".join(sorted(self.hashes)).encode()).hexdigest()

    def covers(self, author_names: Iterable[str], media_id: str) -> bool:
        """Whether a post or one of its authors is on the list, by any of their names: an id, `@` and a name."""
        if self.pseudonyms is None or not self.hashes:
            return False
        names = [name.strip().lower() for name in author_names]
        names += [_NUMBER.sub(r"\1", media_id)] if _NUMBER.fullmatch(media_id) else _post(media_id)
        return any(self.pseudonyms.opt_out_key(name) in self.hashes for name in names)

    def covers_row(self, city: str, post_key: str, *author_keys: str) -> bool:
        """Whether a post that `city` held when the entries were added is of an account or a post on the list.

        author_keys: the pseudonyms of all names of its authors that are known.
        """
        if self.pseudonyms is None or not self.hashes:
            return False
        return any(
            self.pseudonyms.opt_out_key(_row_name(city, key)) in self.hashes for key in (post_key, *author_keys)
        )


def add_opt_outs(store: Store, entries: Iterable[str]) -> OptOut:
    """The list with these entries on it too, written; posts collected before are known to `covers_row`.

    Raises:
        StageError: an entry is none of `WHAT_IT_MAY_BE`; it is named by its place, and nothing is added.
    """
    names = [name for number, entry in enumerate(entries, start=1) for name in _names(entry, number)]
    with store.lock("private", "opt_out", timeout_s=30):
        before = OptOut.load(store)
        pseudonyms = before.pseudonyms or load_opt_out_pseudonyms(store, may_make=True)
        names += [row for city in store.cities() for row in _row_names(pseudonyms.of_city(city), city, names)]
        hashes = before.hashes | {pseudonyms.opt_out_key(name) for name in names}
        lines = [HEADER + pseudonyms.fingerprint, *sorted(hashes)]  # sorted: the order says nothing of when
        write_atomically(_path(store), "".join(f"{line}\n" for line in lines).encode())  # mode 0600
    return OptOut(hashes, pseudonyms)


def _row_names(pseudonyms: Pseudonyms, city: str, names: list[str]) -> list[str]:
    """How a city's rows name the same accounts and posts; a number may be either."""
    return [_row_name(city, key) for name in names for key in (pseudonyms.user_key(name), pseudonyms.post_key(name))]


def _row_name(city: str, key: str) -> str:
    return f"{city}/{key}"  # no name of an account or post holds a slash


def _path(store: Store) -> Path:
    return store.private / OPT_OUT_FILE


def _parse(path: Path, pseudonyms: Pseudonyms) -> frozenset[str]:
    header, *lines = path.read_text("utf-8", "replace").splitlines() or [""]
    if header != HEADER + pseudonyms.fingerprint:
        raise StageError(
            f"{path} was made with another pseudonym key and would cover nobody: put that key back, or remove the "
            "list and add everybody again"
        )
    for number, line in enumerate(lines, start=2):
        if not _HASH.fullmatch(line):
            raise StageError(f"{path}, line {number} is no hash: entries are added with add_opt_outs, not by hand")
    return frozenset(lines)


def _names(entry: str, number: int) -> list[str]:
    """The names that an entry stands for; a bare word may be an account or a shortcode and stands for both."""
    entry = unicodedata.normalize("NFKC", clean_name(entry)).strip(_AROUND)
    if _NUMBER.fullmatch(entry):
        return [_NUMBER.sub(r"\1", entry)]
    if entry.startswith("@"):
        names = _account(entry.removeprefix("@"))
    elif "/" in entry:
        names = _of_address(entry)
    else:
        names = _account(entry) + _post(entry) + _WHOLE_AS_FLOAT.findall(entry)
    if not names:
        raise StageError(f"entry {number} cannot be put on the opt-out list: it must be {WHAT_IT_MAY_BE}")
    return names


def _of_address(address: str) -> list[str]:
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
    except ValueError:
        return []
    if parts.netloc.lower() not in _INSTAGRAM:
        return []
    match [folder for folder in parts.path.split("/") if folder]:
        case ["share" | "s", _, *_]:
            raise StageError(
                "an address for sharing (instagram.com/share/...) does not say what it leads to: open it in a "
                "browser and give the address that is shown then"
            )
        case [folder, code, *_] if folder in _POST_FOLDERS:
            return _post(code)
        case [_, folder, code, *_] if folder in _POST_FOLDERS:
            return _post(code)
        case [name]:
            return _account(name)
    return []


def _account(name: str) -> list[str]:
    return [f"@{name.lower()}"] if _USER_NAME.fullmatch(name.lower()) else []


def _post(code: str) -> list[str]:
    """The media id of a shortcode, which is the id written in base 64."""
    if not _SHORTCODE.fullmatch(code):
        return []
    media_id = 0
    for character in code[:_MEDIA_ID_CHARACTERS]:
        media_id = media_id * 64 + _SHORTCODE_ALPHABET.index(character)
    return [str(media_id)]
