"""Who made a post: its owner, and the accounts that made it together with the owner (a collab).

Law: every account that a post names as its author counts, in whatever shape it is told: a list of accounts or of ids,
accounts by their ids, `edges` of `node`s, an account inside `user`, a bare name. An account that is only invited has
made nothing yet and is none of them, nor is who is tagged, thanked or pays. Only ids, names and whether an account is
private are read of it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
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
"""Parts of a value: a post has a handful of authors, and what a file tells beyond is not looked at."""

Account = dict[str, Any]


def author_accounts(node: Account) -> list[Account]:
    """The owner, as each part of Instaloader's node tells it."""
    inner = node.get("iphone_struct")
    iphone = inner if isinstance(inner, dict) else {}
    told = [node.get("owner"), iphone.get("user"), node.get("user"), iphone.get("owner")]
    return [account for account in told if isinstance(account, dict)]


def coauthor_accounts(node: Account) -> list[Account]:
    """The accounts that made the post with the owner."""
    parts = [part for part in (node, node.get("iphone_struct")) if isinstance(part, dict)]
    told = [value for part in parts for name, value in part.items() if is_of_coauthors(name)]
    return [account for value in told for account in _accounts(value)]


def is_of_coauthors(name: object) -> bool:
    """Whether co-authors stand under this key of a post; what says something about them besides tells no account."""
    return isinstance(name, str) and COAUTHORS.fullmatch(name.lower()) is not None


def named_accounts(value: object) -> list[Account]:
    """The accounts in a value, with nothing of them but what is read."""
    return [{name: account.get(name) for name in READ} for account in _accounts(value)]


def account_names(accounts: Iterable[Account]) -> tuple[str, ...]:
    """Every way in which these accounts are named: ids first, then `@` and the name in lower case."""
    known = list(accounts)
    ids = [account_id for account in known for account_id in told_ids(account)]
    told = [plain_name(name) for account in known if isinstance(name := account.get("username"), str)]
    return tuple(dict.fromkeys([*ids, *("@" + name for name in told if name)]))


def plain_name(name: str) -> str:
    """The name of an account as everybody writes it."""
    return unicodedata.normalize("NFKC", name).strip().lstrip("@").lower()


def told_ids(value: object) -> list[str]:
    """The ids of an account or location, which are numbers in some files and text in others."""
    told = [value.get(key) for key in ("id", "pk")] if isinstance(value, dict) else []
    texts = [str(one).strip() for one in told if isinstance(one, str | int) and not isinstance(one, bool)]
    return [text for text in texts if text]


def _accounts(value: object) -> Iterator[Account]:
    """No recursion: a hostile file nests as deep as it likes."""
    waiting, num_looked_at = [value], 0
    while waiting and num_looked_at < MAX_LOOKED_AT:
        told, num_looked_at = waiting.pop(), num_looked_at + 1
        if isinstance(told, list):
            waiting.extend(reversed(told))
        elif isinstance(told, dict):
            account = _account(told)
            is_one = any(account[name] is not None for name in ("id", "username"))
            if is_one:
                yield account
            else:
                yield from ({"id": name} for name in told if isinstance(name, str) and name.isdecimal())
            inside = [told.get(name) for name in INSIDE] if is_one else list(told.values())
            waiting.extend(one for one in reversed(inside) if isinstance(one, dict | list))
        else:
            yield from _of_scalar(told)


def _account(told: Account) -> Account:
    """What is read of a dict that may be an account."""
    ids = [found for name in IDS if (found := _id(told.get(name)))]
    name = told.get("username")
    return {
        "id": ids[0] if ids else None,
        "pk": ids[-1] if ids else None,
        "is_private": told.get("is_private"),
        "username": name if isinstance(name, str) else None,
    }


def _id(value: object) -> str | None:
    """The id that a value tells, as a number or as text, also with its owner's behind it."""
    is_told = isinstance(value, str | int | float) and not isinstance(value, bool)
    found = _ID.fullmatch(str(value).strip()) if is_told else None
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
