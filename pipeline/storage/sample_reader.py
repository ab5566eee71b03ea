"""Rows of `samples/` as records, fast: column by column, and what repeats is made once.

A recorded turn stands in every sample after it, a system prompt in all. Equal messages, screenshots and texts come out
as one object, and so do turns that are written the same; whoever reads may use it as a key to what it found out.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
from msgspec import Struct

from pipeline.records import ImageRef, Message, Part, Sample, Target, Turn

from .coding import Coding, Numbers
from .tables import UNREADABLE

T = TypeVar("T")

COLUMNS = Sample.__struct_fields__
_MESSAGE = "messages.list.element"
CODED = (f"{_MESSAGE}.role", f"{_MESSAGE}.content.list.element.type", f"{_MESSAGE}.content.list.element.text")
"""Columns, by their paths in the file, that a batch must have as numbers of texts."""
ROLES = frozenset({"system", "user", "assistant"})
KINDS = frozenset({"text", "image", "token"})
_TURN = '{"step_index":'
_FIRST_TURN, _NEXT_TURN = f"[{_TURN}", f"}},{_TURN}"
"""How turns begin where we write them. No text within one can hold that, as its quotation marks would be escaped; what
else can makes pieces that are no turns, and the list is read whole."""


class Unreadable(Struct, frozen=True):
    """A row that is no sample."""

    error: Exception


class SampleReader:
    """Reads batches of rows; equal parts of all samples that one reader makes are one object."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._parts: dict[Hashable, Part] = {}
        self._messages: dict[Hashable, Message] = {}
        self._contents: dict[Hashable, tuple[Part, ...]] = {}
        self._refs: dict[Hashable, ImageRef] = {}
        self._turns: dict[str | bytes, Turn] = {}
        self._targets: dict[str, tuple[Target, ...]] = {}
        self._raw = msgspec.json.Decoder(list[msgspec.Raw])
        self._turn = msgspec.json.Decoder(Turn)
        self._target = msgspec.json.Decoder(Target)
        self._several = msgspec.json.Decoder(tuple[Target, ...])
        self._provenance = msgspec.json.Decoder(dict[str, str])
        self._unreadable = False
        """Whether there was a message that is none."""

    def read(self, batch: "pa.RecordBatch") -> Iterator[Sample | Unreadable]:
        """Yield the record of each row, in order; raises KeyError where a column is missing."""
        values = {name: self._all_messages(column) if name == "messages"
                  else self._all_refs(column) if name == "images" else column.to_pylist()
                  for name, column in zip(COLUMNS, map(batch.column, COLUMNS), strict=True)}  # fmt: skip
        broken: dict[int, Unreadable] = {}
        for name, read in (
            ("messages", self._whole),
            ("turns", self._all_turns),
            ("target", self._target.decode),
            ("earlier_targets", self._all_targets),
            ("provenance", self._provenance.decode),
            ("goal", self._text),
            ("flags", tuple),
        ):
            values[name] = _each(read, values[name], broken)
        for index, row in enumerate(zip(*values.values(), strict=True)):
            yield broken[index] if index in broken else Sample(*row)

    def _text(self, text: str) -> str:
        return self._texts.setdefault(text, text)

    def _whole(self, messages: tuple[Any, ...]) -> tuple[Message, ...]:
        """Return the messages; raises the error of one that is none."""
        if self._unreadable:
            for message in messages:
                if type(message) is Unreadable:
                    raise message.error
        return messages

    def _all_turns(self, text: Any) -> tuple[Turn, ...]:
        if not (isinstance(text, str) and text.startswith(_FIRST_TURN) and text.endswith("}]")):
            return self._foreign_turns(text)
        known = self._turns
        try:
            return tuple([known.get(piece) or self._new_turn(piece, f"{_TURN}{piece}}}")
                          for piece in text[len(_FIRST_TURN) : -2].split(_NEXT_TURN)])  # fmt: skip
        except msgspec.DecodeError:
            return self._foreign_turns(text)

    def _foreign_turns(self, text: Any) -> tuple[Turn, ...]:
        """Return turns that are written in another way; raises one of UNREADABLE where there are none."""
        known = self._turns
        return tuple([known.get(data) or self._new_turn(data, data) for data in map(bytes, self._raw.decode(text))])

    def _all_targets(self, text: str) -> tuple[Target, ...]:
        targets = self._targets.get(text)
        return self._targets.setdefault(text, self._several.decode(text)) if targets is None else targets

    def _new_turn(self, key: str | bytes, data: str | bytes) -> Turn:
        turn = self._turns[key] = self._turn.decode(data)
        return turn

    def _all_messages(self, column: Any) -> list[tuple[Any, ...]]:
        """Return the messages of each row."""
        inner, rows = _unnested(column)
        roles, contents, weights = inner.flatten()
        inner, within = _unnested(contents)
        kinds, texts, images = inner.flatten()
        parts = Coding.rows([self._words(kinds), self._words(texts), Coding.of(images)])
        keys = Coding.rows([self._words(roles), Coding.of(weights), parts.lists(within)])
        messages = self._messages
        made = [messages.get(key) or self._new_message(key) for key in keys.values]
        return _pieces([made[number] for number in keys.numbers.tolist()], rows)

    def _words(self, column: Any) -> Coding:
        """Return the texts of a coded column, equal ones as one object."""
        known = [self._texts.setdefault(text, text) for text in column.dictionary.to_pylist()]
        return Coding([*known, None], column.indices.fill_null(len(known)).to_numpy())

    def _new_message(self, key: tuple[Any, Any, tuple[Any, ...]]) -> Message | Unreadable:
        role, weight, content = key
        parts = [self._parts.get(each) or self._new_part(each) for each in content]
        message = Message(role, self._contents.setdefault(content, tuple(parts)), weight)
        if role not in ROLES or weight is None or not weight >= 0 or any(part.type not in KINDS for part in parts):
            try:
                message = msgspec.convert(msgspec.to_builtins(message), type=Message)
            except msgspec.ValidationError as error:
                self._unreadable = True
                return Unreadable(error)
        self._messages[key] = message
        return message

    def _new_part(self, key: tuple[Any, Any, Any]) -> Part:
        part = self._parts[key] = Part(*key)
        return part

    def _all_refs(self, column: Any) -> list[tuple[ImageRef, ...]]:
        """Return the screenshots of each row; whether their numbers may be is for `pipeline.checks` to say."""
        inner, rows = _unnested(column)
        keys = zip(*(each.to_pylist() for each in inner.flatten()), strict=True)
        refs = self._refs
        return _pieces([refs.get(key) or refs.setdefault(key, ImageRef(*key)) for key in keys], rows)


def _each(read: Callable[[Any], Any], values: Sequence[Any], broken: dict[int, Unreadable]) -> list[Any]:
    """Return what is read of each value; one that is not what it should be makes its row a `broken` one."""
    try:
        return [read(value) for value in values]
    except UNREADABLE:
        made = []
    for index, value in enumerate(values):
        try:
            made.append(read(value))
        except UNREADABLE as error:
            made.append(None)
            broken.setdefault(index, Unreadable(error))
    return made


def _unnested(column: Any) -> tuple[Any, Numbers]:
    """Return the values of a list column, and where those of each row begin and end."""
    bounds = column.offsets.to_numpy()
    return column.values.slice(bounds[0], bounds[-1] - bounds[0]), bounds - bounds[0]


def _pieces(values: list[T], bounds: Numbers) -> list[tuple[T, ...]]:
    """Return the values row by row."""
    return [tuple(values[start:end]) for start, end in pairwise(bounds.tolist())]
