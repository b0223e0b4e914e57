"""What a place is by the words of its name, where nothing else is known of it: a guess, and it errs towards sensitive.

Reads  kinds_by_name.csv beside this file
Law: every kind that a name has a word of is given, in the order of the file, in which the sensitive ones come first.
Covered: whole words and endings of compounds, in the languages of the file; `Church Street` is a street.
Not covered: a place whose name does not say what it is (`St. Mary's`, `The Priory`), and names in other languages. A
bar that is called Temple is left out with the temples.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pipeline.text.place_names import normal_name

KINDS = Path(__file__).parent / "kinds_by_name.csv"
_ANY, _WHOLE = "*", "="
_STREETS = frozenset("street st road rd avenue ave lane ln row drive boulevard blvd alley strasse str".split())


@dataclass
class _Words:
    """What stands for which kinds, by where it must stand; kinds are numbers in the order of the file.

    longest: the most words of one entry.
    """

    kinds: list[str] = field(default_factory=list)
    longest: int = 1
    whole: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    words: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    starts: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    ends: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    anywhere: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, kind: str, words: list[str]) -> None:
        number = len(self.kinds)
        self.kinds.append(kind)
        for word in words:
            at_front, at_end = word.startswith(_ANY), word.endswith(_ANY)
            where = self.anywhere if at_front and at_end else self.ends if at_front else self.starts
            if not at_front and not at_end:
                where = self.whole if word.startswith(_WHOLE) else self.words
            plain = normal_name(word.strip(_ANY + _WHOLE))
            where[plain].add(number)
            self.longest = max(self.longest, len(plain.split()))

    def found_in(self, name: str) -> Iterator[set[int]]:
        """The kinds of everything that stands in a normal name."""
        yield self.whole.get(name, set())
        yield from (numbers for part, numbers in self.anywhere.items() if part in name)
        tokens = name.split()
        for at, token in enumerate(tokens):
            yield from (self.starts.get(token[:length], set()) for length in range(1, len(token) + 1))
            for end in range(at + 1, min(len(tokens), at + self.longest) + 1):
                if end < len(tokens) and tokens[end] in _STREETS:
                    continue
                yield self.words.get(" ".join(tokens[at:end]), set())
            if at + 1 == len(tokens) or tokens[at + 1] not in _STREETS:
                yield from (self.ends.get(token[start:], set()) for start in range(len(token)))


def kinds_of_name(name: str) -> tuple[str, ...]:
    """The kinds of places that a name has a word of, as paths of labels; () where it says none."""
    words = _words()
    found = set().union(*words.found_in(normal_name(name)))
    return tuple(words.kinds[number] for number in sorted(found))


@cache
def _words() -> _Words:
    words = _Words()
    with KINDS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            words.add(row["kind"], row["words"].split("|"))
    return words
