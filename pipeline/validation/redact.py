"""Personal data and keys in texts, replaced by names that are nobody's: the same one by the same name everywhere.

What is replaced is what the checks `email`, `phone`, `card`, `iban` and `credential` look for. Names count up in the
alphabetical order of what they stand for, over the whole dataset, so that nothing of the original can be guessed from
them. One number in several notations has one name, and a password that one text announces is found where it is typed.
Screenshots, ids and names of files are left as they are: what can be read there still can.
"""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pipeline import layouts
from pipeline.checks.secrets import spans
from pipeline.records import Message, Part, Sample
from pipeline.slicing.compose import estimate_tokens
from pipeline.slicing.policy import Prompts
from pipeline.slicing.token_count import TokenCount
from pipeline.storage.dataset import Dataset
from pipeline.storage.manifest import Manifest
from pipeline.storage.tables import UNREADABLE, Row, sample_from_row, sample_row

CHECKS = ("email", "phone", "card", "iban", "credential")
"""The checks that have nothing left to find."""

IDENTIFIERS = frozenset({"trajectory_id", "sample_id", "sha256", "path", "schema", "type", "mime", "original_id"})
"""What is no text for people, and must stay what it is."""

STEP_TEXTS = ("goal", "app", "url", "observation", "step", "trajectory")
SAMPLE_TEXTS = ("goal", "turns", "target", "earlier_targets")
JSON = frozenset({"observation", "step", "trajectory", "turns", "target", "earlier_targets", "row"})
"""Columns that hold a tree as JSON text."""


Known = tuple[tuple[str, str], ...]
"""Secrets, each with its kind."""


class Names(Struct, frozen=True):
    """What stands for each secret."""

    by_kind: dict[str, dict[str, str]]
    """By kind, from the `key` of a secret to its name."""
    told: dict[str, Known] = {}
    """By trajectory, what one of its texts shows to be a secret, wherever else it stands."""
    here: Known = ()
    """What is told in the trajectory at hand."""

    def of(self, trajectory_id: str | None) -> "Names":
        """Return the names for texts of a trajectory."""
        return replace(self, here=self.told.get(trajectory_id or "", ()))

    @property
    def counts(self) -> dict[str, int]:
        """How many different secrets of each kind were found."""
        return {kind: len(found) for kind, found in self.by_kind.items()}

    def text(self, text: str) -> str:
        """Return the text with every secret replaced."""
        found = self._found(text)
        while found:
            text = self._once(text, found)
            found = spans(text)  # a name may be taken for a password where it now stands behind the word
        return text

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        found = spans(text)
        for kind, secret in self.here:
            for match in _pattern(kind, secret).finditer(text):
                if all(match.end() <= start or end <= match.start() for start, end, _ in found):
                    found.append((match.start(), match.end(), kind))
        return sorted(found)

    def _once(self, text: str, found: list[tuple[int, int, str]]) -> str:
        parts, at = [], 0
        for start, end, kind in found:
            parts += [text[at:start], self.by_kind.get(kind, {}).get(key(kind, text[start:end]), HIDDEN[kind])]
            at = end
        return "".join([*parts, text[at:]])

    def prompts(self, prompts: Prompts) -> Prompts:
        """Return the dataset's own prompts with every secret replaced."""
        return msgspec.convert(_walked(msgspec.to_builtins(prompts), self.text), type=Prompts)

    def column(self, name: str, value: str | None) -> str | None:
        """Return a column's text, or its tree, with every secret replaced."""
        if value is None or not (self._found(value) or "\\" in value):
            return value
        if name not in JSON:
            return self.text(value)
        tree = _tree(value)
        return self.text(value) if tree is value else msgspec.json.encode(_walked(tree, self.text)).decode()


def key(kind: str, secret: str) -> str:
    """Return what all notations of a secret have in common: an address's small letters, a number's digits.

    The prefixes of China and of North America are left out, since people write the same number without them.
    """
    if kind == "email":
        return secret.casefold()
    if kind == "credential":
        return secret
    if kind == "iban":
        return secret.replace(" ", "")
    digits = re.sub(r"\D", "", secret)
    return re.sub(r"^\+1|^86(?=1[3-9]\d{9}$)", "", ("+" if secret.startswith("+1") else "") + digits)


@functools.cache
def _pattern(kind: str, secret: str) -> re.Pattern[str]:
    """Return what finds a secret that is known by its `key`."""
    if kind == "credential":
        return re.compile(rf"(?<!\w){re.escape(secret)}(?!\w)")
    if kind == "iban":
        return re.compile(r"(?<!\w)" + " ?".join(secret) + r"(?!\w)")
    return re.compile(r"(?<!\d)" + r"[ ().-]{0,3}".join(secret) + r"(?!\d)")


HIDDEN = {"email": "user@example.com", "phone": "555-0100", "card": "0000 0000 0000 0000", "iban": "XX00 0000 0000",
          "credential": "***"}  # fmt: skip
"""For a secret that was not there when the names were given."""


def may_hold(text: str) -> bool:
    """Tell whether a text may hold a secret; cheaper than to look, and never wrong where it says no."""
    return bool(spans(text)) or "\\" in text


def find(dataset: Dataset) -> Names:
    """Return the names for all secrets in the dataset's texts."""
    found: dict[str, set[str]] = defaultdict(set)
    told: dict[str, set[tuple[str, str]]] = defaultdict(set)
    typed: dict[str, set[str]] = defaultdict(set)
    name_of: str = ""

    def note(text: str) -> str:
        for start, end, kind in spans(text):
            secret = key(kind, text[start:end])
            found[kind].add(secret)
            told[name_of].add((kind, secret))
        return text

    _walked(msgspec.to_builtins(dataset.manifest.prompts), note)
    for table, columns in (("steps", STEP_TEXTS), ("samples", SAMPLE_TEXTS), ("rejected", ("row", "message", "where"))):
        for number in dataset.manifest.shard_numbers():
            for row in dataset.rows(table, number, ["trajectory_id", *columns]):
                name_of = row["trajectory_id"] or ""
                if row.get("step"):
                    typed[name_of].update(_typed(row["step"]))
                for name in columns:
                    value = row[name]
                    if value is not None and may_hold(value):
                        _walked(_tree(value) if name in JSON else value, note)
    names = {kind: dict(_named(kind, sorted(secrets))) for kind, secrets in sorted(found.items())}
    elsewhere = {name: tuple(_elsewhere(told[name], typed[name])) for name in sorted(told) if name}
    return Names(names, {name: known for name, known in elsewhere.items() if known})


def _tree(text: str) -> Any:
    """Return the tree that a text tells; the text itself where it is broken, which is for the checks to say."""
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return text


class _Typed(Struct):
    text: str | None = None


class _Step(Struct):
    actions: tuple[_Typed, ...]


def _typed(step: str) -> Iterator[str]:
    """Yield what a recorded step types; nothing where it is broken."""
    try:
        actions = msgspec.json.decode(step, type=_Step).actions
    except UNREADABLE:
        actions = ()
    return (action.text for action in actions if action.text)


def _elsewhere(told: set[tuple[str, str]], typed: set[str]) -> Iterator[tuple[str, str]]:
    """Yield what to look for in a trajectory's other texts: its numbers, and of its announced passwords the typed ones.

    A word that is typed nowhere may be no password (`Password: required`), and other texts may use it.
    """
    for kind, secret in sorted(told):
        words = kind == "credential" and any(_pattern(kind, secret).search(text) for text in typed)
        if words or kind in {"phone", "card", "iban"}:
            yield kind, secret


def _named(kind: str, secrets: list[str]) -> Iterator[tuple[str, str]]:
    for number, secret in enumerate(secrets, start=1):
        yield secret, NAMES[kind](number)


def _card(number: int) -> str:
    """Return sixteen digits that are no card's: none begins with 0."""
    digits = f"{number:016d}"
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


NAMES: dict[str, Callable[[int], str]] = {
    "email": lambda number: f"user{number}@example.com",  # RFC 2606: nobody's
    "phone": lambda number: f"555-{number:04d}",  # too short to be dialled
    "card": _card,
    "iban": lambda number: f"XX00 {number // 10_000:04d} {number % 10_000:04d}",  # of no country, and too short
    "credential": lambda number: f"hidden-{number}",
}


def _walked(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """Return a tree with its texts changed, identifiers excepted."""
    if isinstance(value, str):
        return value if key in IDENTIFIERS else change(value)
    if isinstance(value, dict):
        return {name: _walked(each, change, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_walked(each, change, key) for each in value]
    return value


def step_row(row: Row, names: Names) -> Row:
    """Return a row of `steps/` without secrets."""
    own = names.of(row["trajectory_id"])
    return {**row, **{name: own.column(name, row[name]) for name in STEP_TEXTS}}


def rejected_row(row: Row, names: Names) -> Row:
    """Return a row of `rejected/` without secrets."""
    own = names.of(row["trajectory_id"])
    return {**row, **{name: own.column(name, row[name]) for name in ("row", "message", "where")}}


def sample(original: Sample, manifest: Manifest, names: Names, count: TokenCount | None) -> Sample:
    """Return the sample without secrets: its turns changed and rendered again.

    `count` counts its tokens as those of the dataset were; None where they are estimated.
    """
    row, names = sample_row(original), names.of(original.trajectory_id)
    prompts = names.prompts(manifest.prompts)
    texts = {name: names.column(name, row[name]) for name in SAMPLE_TEXTS}
    changed = replace(sample_from_row({**row, **texts, "messages": []}), messages=original.messages)
    if changed == original and prompts == manifest.prompts:
        return original
    layout, history = layouts.get(original.layout), manifest.contract.history
    try:
        messages = layouts.render(layout, history, manifest.prompts, original.goal, original.turns)
    except layouts.GrammarError:
        messages = ()
    if messages == original.messages:
        messages = layouts.render(layout, history, prompts, changed.goal, changed.turns)
    else:  # another stage's wording, or a defect: then text by text
        messages = tuple(_message(message, names) for message in original.messages)
    tokens = estimate_tokens(messages) if count is None else count.text(messages)
    return replace(changed, messages=messages, text_tokens_estimate=tokens)


def _message(message: Message, names: Names) -> Message:
    parts = tuple(Part(p.type, None if p.text is None else names.text(p.text), p.image) for p in message.content)
    return replace(message, content=parts)
