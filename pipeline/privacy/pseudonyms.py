"""Keyed pseudonyms: what stands in every table in place of the ids of posts and people, and the private map back.

A pseudonym is the first 128 bits of HMAC-SHA-256 of an id under a secret, with the city and the purpose in the
message: the same person has different keys in two cities, and a post key never equals a media key.
Covered: ids cannot be guessed and tried without the secret. Not covered: pseudonymised is not anonymous; who holds the
secret, or recognises a caption, finds the person.
Losing the secret means that a later deletion request can no longer be matched to its rows.

The private map leads from a post's key to its media id and its authors' pseudonyms: for deletions and later opt-outs.
Reads and writes private/<city>.ids.sqlite, mode 0600; never read by an export.
Law: a post has a pseudonym for each name of each of its authors here, whichever source it came from; its row in
`posts` has one of its owner alone. They stay as long as anything holds the post, so that a later opt-out finds it.
"""

import base64
import binascii
import hmac
import logging
import os
import secrets
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pipeline.cities import City
from pipeline.errors import StageError
from pipeline.store import Store
from pipeline.store.files import write_atomically
from pipeline.store.sqlite_files import open_file, transaction

KEY_VARIABLE = "MRLF_PSEUDONYM_KEY"
KEY_FILE = "pseudonym.key"
NUM_SECRET_BYTES = 32
PUBLIC_DEMO_SECRET = b"mrlf demo city, a public secret!"
"""Only for cities that a generator invented."""

log = logging.getLogger("mrlf")
Source = Literal["archive", "live"]
Authors: TypeAlias = Mapping[str, Collection[str]]
"""post_key -> the pseudonyms of all names of its authors"""


class Pseudonyms:
    """The pseudonyms of one city; 32 hex characters each."""

    def __init__(self, secret: bytes, city: str) -> None:
        if len(secret) != NUM_SECRET_BYTES:
            raise ValueError(f"the secret must have {NUM_SECRET_BYTES} bytes")
        self._secret = secret
        self._city = city

    def __repr__(self) -> str:
        return f"Pseudonyms(city={self._city!r})"

    def post_key(self, media_id: str) -> str:
        """The key of a post in every table."""
        return self._key("post", media_id)

    def media_key(self, media_id: str) -> str:
        """The key of a post's media, for storing beside pictures without pointing at the post."""
        return self._key("media", media_id)

    def user_key(self, owner_id_or_name: str) -> str:
        """The key of the account that made a post: of its id, else of `@` and its name."""
        return self._key("user", owner_id_or_name)

    def file_key(self, relative_path: str) -> str:
        """The key of a file that is no post: its path may hold the name of an account."""
        return self._key("file", relative_path)

    def of_city(self, city: str) -> "Pseudonyms":
        """The pseudonyms of another city under the same secret."""
        return Pseudonyms(self._secret, city)

    def opt_out_key(self, name: str) -> str:
        """The key of an account or a post on the opt-out list: of an id, or of `@` and a name."""
        return self._key("opt_out", name)

    @property
    def fingerprint(self) -> str:
        """Changes with the secret and the city and gives neither away."""
        return self._key("fingerprint", "")

    def _key(self, purpose: str, value: str) -> str:
        parts = [part.encode("utf-8", "surrogatepass") for part in ("mrlf", self._city, purpose, value)]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)  # "ab"+"c" is not "a"+"bc"
        return hmac.digest(self._secret, message, "sha256").hex()[:32]


def load_pseudonyms(store: Store, city: City) -> Pseudonyms:
    """The pseudonyms of a city: secret from MRLF_PSEUDONYM_KEY, else from the private folder, made there once.

    Raises:
        StageError: the secret given is not 32 bytes in hex or base64; the message does not repeat it.
    """
    if city.is_synthetic:
        return Pseudonyms(PUBLIC_DEMO_SECRET, city.key)
    return Pseudonyms(_secret(store, may_make=True), city.key)


def load_opt_out_pseudonyms(store: Store, *, may_make: bool) -> Pseudonyms:
    """The pseudonyms of the opt-out list, which belongs to no city: the same key in all, never the public one.

    may_make: whether a secret is made where there is none; for a list that is there already it would be a wrong one.

    Raises:
        StageError: as `load_pseudonyms`; or there is no secret and none may be made.
    """
    return Pseudonyms(_secret(store, may_make=may_make), "")


def _secret(store: Store, *, may_make: bool) -> bytes:
    given = os.environ.get(KEY_VARIABLE, "").strip()
    path = store.private / KEY_FILE
    if given:
        return _parse(given, KEY_VARIABLE)
    if not path.exists() and not may_make:
        raise StageError(f"the pseudonym key is gone: put {path} back from your backup, or set {KEY_VARIABLE}")
    if not path.exists():
        _make(store, path)
    return _parse(path.read_text("ascii", "replace").strip(), str(path))


def _parse(text: str, where: str) -> bytes:
    for decode in (bytes.fromhex, lambda value: base64.b64decode(value, validate=True)):
        try:
            secret = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(secret) == NUM_SECRET_BYTES:
            return secret
    raise StageError(
        f"{where} is no pseudonym key: it must be {NUM_SECRET_BYTES} random bytes, as 64 hex characters or in base64. "
        "Make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
    )


def _make(store: Store, path: Path) -> None:
    """Write a new secret, whole and readable by its owner only; where another process was faster, its secret stays."""
    with store.lock("private", "pseudonym_key", timeout_s=30):
        if path.exists():
            return
        write_atomically(path, f"{secrets.token_hex(NUM_SECRET_BYTES)}\n".encode())  # from a temporary file: mode 0600
    log.warning("made a new pseudonym key in %s: back it up; without it a person's posts cannot be found again", path)


def ids_path(store: Store, city: str) -> Path:
    """Where the map of a city lies."""
    return store.private / f"{city}.ids.sqlite"


class PrivateIds:
    """The map of one city, open."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)
        self._disk = open_file(path)
        self._disk.execute("PRAGMA secure_delete = ON")
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS ids (post_key TEXT PRIMARY KEY, media_id TEXT NOT NULL, "
            "source TEXT NOT NULL DEFAULT 'archive')"
        )
        self._disk.execute(
            "CREATE TABLE IF NOT EXISTS authors (post_key TEXT, user_key TEXT, source TEXT NOT NULL, "
            "PRIMARY KEY (post_key, user_key)) WITHOUT ROWID"
        )
        if "source" not in {row[1] for row in self._disk.execute("PRAGMA table_info(ids)")}:
            self._disk.execute("ALTER TABLE ids ADD COLUMN source TEXT NOT NULL DEFAULT 'archive'")

    @classmethod
    def open(cls, store: Store, city: str) -> Self:
        """The map of a city, made where it is missing."""
        return cls(ids_path(store, city))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close()

    def add(self, media_ids: Mapping[str, str], source: Source, authors: Authors | None = None) -> None:
        """Keep post_key -> media id, and post_key -> pseudonyms of its authors, all or nothing."""
        with transaction(self._disk):
            self._insert(media_ids, source, authors or {})

    def replace(
        self,
        media_ids: Mapping[str, str],
        source: Source,
        authors: Authors | None = None,
        *,
        held: Collection[str] = (),
    ) -> None:
        """Keep these in place of all that this source gave before, but for the authors of posts `held` still."""
        with transaction(self._disk):
            self._disk.execute("DELETE FROM ids WHERE source = ?", (source,))
            known = self._disk.execute("SELECT DISTINCT post_key FROM authors WHERE source = ?", (source,))
            self._forget_authors({key for (key,) in known} - {*held, *(authors or {})})
            self._insert(media_ids, source, authors or {})

    def media_id(self, post_key: str) -> str | None:
        """The media id of a post, None where it is not known."""
        row = self._disk.execute("SELECT media_id FROM ids WHERE post_key = ?", (post_key,)).fetchone()
        return str(row[0]) if row else None

    def remove(self, post_keys: Iterable[str], *, held: Collection[str] = ()) -> None:
        """Forget posts, and the authors of those that nothing holds any more."""
        keys = set(post_keys)
        with transaction(self._disk):
            self._disk.executemany("DELETE FROM ids WHERE post_key = ?", [(key,) for key in keys])
            self._forget_authors(keys - set(held))

    def _forget_authors(self, post_keys: Iterable[str]) -> None:
        self._disk.executemany("DELETE FROM authors WHERE post_key = ?", [(key,) for key in post_keys])

    def _insert(self, media_ids: Mapping[str, str], source: Source, authors: Authors) -> None:
        rows = [(*pair, source) for pair in sorted(media_ids.items())]
        self._disk.executemany("INSERT OR REPLACE INTO ids VALUES (?, ?, ?)", rows)
        pairs = [(post_key, user_key, source) for post_key in sorted(authors) for user_key in authors[post_key]]
        self._disk.executemany("INSERT OR IGNORE INTO authors VALUES (?, ?, ?)", pairs)


def read_authors(store: Store, city: str) -> dict[str, list[str]]:
    """post_key -> the pseudonyms of its authors; not of posts that an earlier version of the pipeline collected."""
    path = ids_path(store, city)
    authors: dict[str, list[str]] = {}
    if path.exists():
        with closing(open_file(path)) as disk:
            if disk.execute("SELECT 1 FROM sqlite_master WHERE name = 'authors'").fetchone():
                for post_key, user_key in disk.execute("SELECT post_key, user_key FROM authors"):
                    authors.setdefault(post_key, []).append(user_key)
    return authors
