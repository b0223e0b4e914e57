"""Who made a post: its owner, and the accounts that made it together with the owner (a collab).

Law: every account that a post names as its author counts, in whatever shape it is told: a list of accounts or of ids,
`edges` of `node`s, an account inside `user`. An account that is only invited has made nothing yet and is none of them,
nor is who is tagged, thanked or pays. Only ids, names and whether an account is private are read of it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

COAUTHORS = re.compile(r"(?!.*(?:invit|request|pending)).*(?:co_?author|collaborator).*")
"""Keys of a post under which its co-authors stand: `coauthor_producers` in the API and in `xdt` nodes."""

READ = ("pk", "id", "username", "is_private")
MAX_COAUTHORS = 100
"""Instagram's own limit is far below."""

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
    told = [name.strip().lower() for account in known if isinstance(name := account.get("username"), str)]
    return tuple(dict.fromkeys([*ids, *("@" + name for name in told if name)]))


def told_ids(value: object) -> list[str]:
    """The ids of an account or location, which are numbers in some files and text in others."""
    told = [value.get(key) for key in ("id", "pk")] if isinstance(value, dict) else []
    texts = [str(one).strip() for one in told if isinstance(one, str | int) and not isinstance(one, bool)]
    return [text for text in texts if text]


def _accounts(value: object) -> Iterator[Account]:
    """No recursion: a hostile file nests as deep as it likes."""
    waiting, num_found = [value], 0
    while waiting and num_found < MAX_COAUTHORS:
        told = waiting.pop()
        if isinstance(told, list):
            waiting.extend(_of_list(one) for one in reversed(told[:MAX_COAUTHORS]))
        elif isinstance(told, dict):
            waiting.extend(told[name] for name in ("edges", "node", "user") if isinstance(told.get(name), dict | list))
            if told.keys() & {"id", "pk", "username"}:
                num_found += 1
                yield told


def _of_list(value: object) -> object:
    """A member of a list; a bare number is an id, a bare word a name."""
    if isinstance(value, int) and not isinstance(value, bool):
        return {"id": value}
    if isinstance(value, str):
        return {"id": value} if value.strip().isdecimal() else {"username": value.strip().removeprefix("@")}
    return value
