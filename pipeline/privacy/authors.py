"""Who made a post: its owner, and the accounts that made it together with the owner (a collab).

Law: every account that a post names as its author counts, in whatever shape it comes: a list of accounts or of ids,
accounts by their ids, `edges` of `node`s, an account inside `user`, a bare name. An account that is only invited has
made nothing yet and is none of them, nor is who is tagged, thanked or pays. Only ids, names and whether an account is
private are read of it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

COAUTHORS = re.compile(
    r"(?!.*(?:invit|request|pending))(?!(?:.*_)?(?:is|has|can|num|count|status|type)(?:_.*)?$).*(?:co_?author|collab).*"
)
"""Keys of a post under which its co-authors stand: `coauthor_producers` in the API and in `xdt` nodes."""

IDS = ("pk", "id", "pk_id", "user_id", "strong_id__")
READ = ("pk", "id", "username", "is_private")
INSIDE = ("edges", "node", "user", "owner", "account", "profile")
"""Where an account stands that has more around it; what else stands in an account is not of its authors."""

_ID = re.compile(r"([0-9]+)(?:\.0+|_[0-9]+)?")
_BETWEEN_WORDS = re.compile(r"[,;\s]+")

MAX_LOOKED_AT = 10_000
"""Parts of a value: a post has a handful of authors, and what a file names beyond is not looked at."""

Account = dict[str, Any]


def author_accounts(node: Account) -> list[Account]:
    """The owner, as each part of Instaloader's node names it."""
    inner = node.get("iphone_struct")
    iphone = inner if isinstance(inner, dict) else {}
    owners = [node.get("owner"), iphone.get("user"), node.get("user"), iphone.get("owner")]
    return [account for account in owners if isinstance(account, dict)]


def coauthor_accounts(node: Account) -> list[Account]:
    """The accounts that made the post with the owner."""
    parts = [part for part in (node, node.get("iphone_struct")) if isinstance(part, dict)]
    values = [value for part in parts for name, value in part.items() if is_of_coauthors(name)]
    return [account for value in values for account in _accounts(value)]


def is_of_coauthors(name: object) -> bool:
    """Whether co-authors stand under this key of a post; what says something about them besides names no account."""
    return isinstance(name, str) and _is_of_coauthors(name)


@lru_cache(maxsize=1024)
def _is_of_coauthors(name: str) -> bool:
    """Remembered: every post has the same keys, and few have others."""
    return COAUTHORS.fullmatch(name.lower()) is not None


def named_accounts(value: object) -> list[Account]:
    """The accounts in a value, with nothing of them but what is read."""
    return [{name: account.get(name) for name in READ} for account in _accounts(value)]


def account_names(accounts: Iterable[Account]) -> tuple[str, ...]:
    """Every way in which these accounts are named: ids first, then `@` and the name in lower case."""
    known = list(accounts)
    ids = [account_id for account in known for account_id in raw_ids(account)]
    names = [plain_name(name) for account in known if isinstance(name := account.get("username"), str)]
    return tuple(dict.fromkeys([*ids, *("@" + name for name in names if name)]))


def plain_name(name: str) -> str:
    """The name of an account as everybody writes it."""
    return unicodedata.normalize("NFKC", name).strip().lstrip("@").lower()


def raw_ids(value: object) -> list[str]:
    """The ids of an account or location, which are numbers in some files and text in others."""
    ids = [value.get(key) for key in ("id", "pk")] if isinstance(value, dict) else []
    texts = [str(one).strip() for one in ids if isinstance(one, str | int) and not isinstance(one, bool)]
    return [text for text in texts if text]


def _accounts(value: object) -> Iterator[Account]:
    """No recursion: a hostile file nests as deep as it likes."""
    waiting, num_looked_at = [value], 0
    while waiting and num_looked_at < MAX_LOOKED_AT:
        part, num_looked_at = waiting.pop(), num_looked_at + 1
        if isinstance(part, list):
            waiting.extend(reversed(part))
        elif isinstance(part, dict):
            account = _account(part)
            is_one = any(account[name] is not None for name in ("id", "username"))
            if is_one:
                yield account
            else:
                yield from ({"id": name} for name in part if isinstance(name, str) and name.isdecimal())
            inside = [part.get(name) for name in INSIDE] if is_one else list(part.values())
            waiting.extend(one for one in reversed(inside) if isinstance(one, dict | list))
        else:
            yield from _of_scalar(part)


def _account(raw: Account) -> Account:
    """What is read of a dict that may be an account."""
    ids = [found for name in IDS if (found := _id(raw.get(name)))]
    name = raw.get("username")
    return {
        "id": ids[0] if ids else None,
        "pk": ids[-1] if ids else None,
        "is_private": raw.get("is_private"),
        "username": name if isinstance(name, str) else None,
    }


def _id(value: object) -> str | None:
    """The id that a value holds, as a number or as text, also with its owner's behind it."""
    is_stated = isinstance(value, str | int | float) and not isinstance(value, bool)
    found = _ID.fullmatch(str(value).strip()) if is_stated else None
    return found[1] if found else None


def _of_scalar(value: object) -> Iterator[Account]:
    """A bare number is an id, each bare word a name, or the address of an account."""
    if isinstance(value, str):
        for word in _BETWEEN_WORDS.split(unicodedata.normalize("NFKC", value)):
            word = word.partition("instagram.com/")[2].partition("/")[0].partition("?")[0] or word
            if plain_name(word):
                yield {"id": word} if word.isdecimal() else {"username": word}
    elif _id(value):
        yield {"id": _id(value)}
