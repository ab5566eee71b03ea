"""How alike two texts are: the measures of the published rules, in code of our own."""

import unicodedata
from collections.abc import Sequence


def normalized(text: str) -> str:
    """Return the text without differences that no keyboard shows: NFKC, case folded, white space as single spaces.

    >>> normalized("  Ｗi-Fi  OFF ") == normalized("wi-fi off")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def distance(one: Sequence[object], other: Sequence[object], *, substitution: int = 1) -> int:
    """Return the edit distance (Levenshtein 1966); insertions and deletions cost 1, substitutions as given.

    >>> distance("kitten", "sitting"), distance("kitten", "sitting", substitution=2)
    (3, 5)
    """
    if len(one) < len(other):
        one, other = other, one
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, start=1):
        before, row[0] = row[0], number
        for place, right in enumerate(other, start=1):
            cost = before + (0 if left == right else substitution)
            before = row[place]
            row[place] = min(cost, before + 1, row[place - 1] + 1)
    return row[-1]


def similarity(one: str, other: str) -> float:
    """Return 1 - distance / length of the longer: the normalised Levenshtein similarity of ANLS (Biten et al. 2019).

    Two empty texts are alike.

    >>> similarity("abcd", "abce")
    0.75
    """
    longest = max(len(one), len(other))
    return 1.0 if longest == 0 else 1 - distance(one, other) / longest


def ratio(one: str, other: str) -> float:
    """Return what `Levenshtein.ratio` returns: 1 - distance / total length, a substitution costing 2.

    >>> ratio("abcd", "abce")
    0.75
    """
    total = len(one) + len(other)
    return 1.0 if total == 0 else 1 - distance(one, other, substitution=2) / total


def within(one: str, other: str) -> bool:
    """Tell whether one text contains the other; every text contains the empty one.

    >>> within("wifi", "turn on wifi"), within("", "x")
    (True, True)
    """
    return one in other or other in one
