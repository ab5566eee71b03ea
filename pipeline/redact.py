"""Personal data and keys in texts, replaced by names that are nobody's: the same one by the same name everywhere.

What is replaced is what the checks `email`, `phone`, `card` and `credential` look for. Names count up in the
alphabetical order of what they stand for, over the whole dataset, so that nothing of the original can be guessed from
them. Screenshots are left as they are: what can be read on them still can.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from . import layouts
from .checks.secrets import card_number, spans
from .compose import estimate_tokens
from .dataset import Dataset
from .manifest import Manifest
from .records import Message, Part, Sample
from .tables import Row, sample_from_row, sample_row

CHECKS = ("email", "phone", "card", "credential")
"""The checks that have nothing left to find."""

IDENTIFIERS = frozenset({"trajectory_id", "sample_id", "sha256", "path", "schema", "type", "mime", "original_id"})
"""What is no text for people, and must stay what it is."""

STEP_TEXTS = ("goal", "url", "observation", "step", "trajectory")
SAMPLE_TEXTS = ("goal", "turns", "target", "earlier_targets")
JSON = frozenset({"observation", "step", "trajectory", "turns", "target", "earlier_targets", "row"})
"""Columns that hold a tree as JSON text."""


class Names(Struct, frozen=True):
    """What stands for each secret."""

    by_kind: dict[str, dict[str, str]]

    @property
    def counts(self) -> dict[str, int]:
        """How many different secrets of each kind were found."""
        return {kind: len(found) for kind, found in self.by_kind.items()}

    def text(self, text: str) -> str:
        """Return the text with every secret replaced."""
        while found := spans(text):  # a name may be taken for a password where it now stands behind the word
            text = self._once(text, found)
        return text

    def _once(self, text: str, found: list[tuple[int, int, str]]) -> str:
        parts, at = [], 0
        for start, end, kind in found:
            parts += [text[at:start], self.by_kind.get(kind, {}).get(text[start:end], HIDDEN[kind])]
            at = end
        return "".join([*parts, text[at:]])

    def column(self, name: str, value: str | None) -> str | None:
        """Return a column's text, or its tree, with every secret replaced."""
        if value is None or not may_hold(value):
            return value
        if name not in JSON:
            return self.text(value)
        return msgspec.json.encode(_walked(msgspec.json.decode(value), self.text)).decode()


HIDDEN = {"email": "user@example.com", "phone": "555-0100", "card": "0000 0000 0000 0000", "credential": "***"}
"""For a secret that was not there when the names were given."""


def may_hold(text: str) -> bool:
    """Tell whether a text may hold a secret; cheaper than to look, and never wrong where it says no."""
    return bool(spans(text)) or "\\" in text


def find(dataset: Dataset) -> Names:
    """Return the names for all secrets in the dataset's texts."""
    found: dict[str, set[str]] = defaultdict(set)

    def note(text: str) -> str:
        for start, end, kind in spans(text):
            found[kind].add(text[start:end])
        return text

    for table, columns in (("steps", STEP_TEXTS), ("samples", SAMPLE_TEXTS), ("rejected", ("row", "message", "where"))):
        for number in dataset.manifest.shard_numbers():
            for row in dataset.rows(table, number, list(columns)):
                for name, value in row.items():
                    if value is None or not may_hold(value):
                        continue
                    _walked(msgspec.json.decode(value), note) if name in JSON else note(value)
    return Names({kind: dict(_named(kind, sorted(secrets))) for kind, secrets in sorted(found.items())})


def _named(kind: str, secrets: list[str]) -> Iterator[tuple[str, str]]:
    for number, secret in enumerate(secrets, start=1):
        yield secret, NAMES[kind](number)


def _card(number: int) -> str:
    """Return sixteen digits that are no card's: their checksum is wrong."""
    digits = f"000000000000{number % 10_000:04d}"
    if card_number(digits):
        digits = f"{digits[:-1]}{(int(digits[-1]) + 1) % 10}"
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


NAMES: dict[str, Callable[[int], str]] = {
    "email": lambda number: f"user{number}@example.com",  # RFC 2606: nobody's
    "phone": lambda number: f"555-{number % 10_000:04d}",  # too short to be dialled
    "card": _card,
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
    return {**row, **{name: names.column(name, row[name]) for name in STEP_TEXTS}}


def rejected_row(row: Row, names: Names) -> Row:
    """Return a row of `rejected/` without secrets."""
    return {**row, **{name: names.column(name, row[name]) for name in ("row", "message", "where")}}


def sample(original: Sample, manifest: Manifest, names: Names) -> Sample:
    """Return the sample without secrets: its turns changed and rendered again."""
    row = sample_row(original)
    changed = sample_from_row({**row, **{name: names.column(name, row[name]) for name in SAMPLE_TEXTS}})
    if changed == original:
        return original
    layout, history = layouts.get(original.layout), manifest.contract.history
    messages = layouts.render(layout, history, manifest.prompts, original.goal, original.turns)
    if messages == original.messages:
        messages = layouts.render(layout, history, manifest.prompts, changed.goal, changed.turns)
    else:  # another stage's wording, or a defect: then text by text
        messages = tuple(_message(message, names) for message in original.messages)
    same = manifest.slicing.tokenizer is not None  # exact counts need the tokenizer; a name is no longer than a secret
    tokens = original.text_tokens_estimate if same else estimate_tokens(messages)
    return replace(changed, messages=messages, text_tokens_estimate=tokens)


def _message(message: Message, names: Names) -> Message:
    parts = tuple(Part(p.type, None if p.text is None else names.text(p.text), p.image) for p in message.content)
    return replace(message, content=parts)
