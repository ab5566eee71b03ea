"""Pickles read as plain data, by an interpreter that calls nothing, imports nothing and sets no attribute.

Python's own unpickler calls whatever a file names; even with `find_class` restricted it sets attributes on what comes
out, and one opcode can make it allocate gigabytes. This one knows the opcodes of protocols 2 to 5 and builds only
None, numbers, texts, bytes, lists, tuples, dictionaries and sets; `Array` where the file describes a numpy array of
numbers; `Record` where it describes an object of a class whose name the caller knows. All else is refused, or left
out as `Foreign` where the caller allows it. Large byte strings go to a temporary file, not to memory.

Facts: CPython's `pickletools` (opcodes); numpy's `ndarray.__reduce_ex__` (how an array is written).
"""

import gzip
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from typing import IO, Any

from msgspec import Struct

from .pickle_values import Blob, Foreign, Global, call, construct, fill, measure

LARGE = 1 << 16
"""Bytes from which on a byte string is kept on disk."""
MAX_INTEGER = 64
"""Bytes of one whole number."""
CHUNK = 1 << 20


class Limits(Struct, frozen=True):
    """What no honest file exceeds; a bomb does."""

    unpacked: int = 4 << 30
    """Bytes of the file's content: 170 steps with three screenshots each of 1080x2400."""
    memory: int = 512 << 20
    """Bytes of texts and small byte strings."""
    opcodes: int = 10_000_000
    values: int = 10_000_000
    """Values that a walk over the result meets; what is referred to twice counts twice."""
    depth: int = 60


class PickleError(ValueError):
    """The file is no pickle of plain data; the message says what was found and expected."""


class Plain(Struct, frozen=True):
    """The content of a pickle, and how many objects of which foreign names were left out of it."""

    value: Any
    foreign: dict[str, int]


def read_gzip(
    file: IO[bytes], spool: IO[bytes], *, records: Collection[str], foreign: bool = False, limits: Limits | None = None
) -> Plain:
    """Return the content of a gzip-packed pickle.

    `records` are the class names that become `Record`; with `foreign`, calls and objects of other names are left out
    instead of refused. `spool` takes the large byte strings and must stay open while they are read. Raises PickleError.
    """
    with gzip.GzipFile(fileobj=file) as stream:
        reader = _Reader(stream, spool, frozenset(records), foreign=foreign, limits=limits or Limits())
        try:
            value = reader.run()
            if stream.read(1):
                raise PickleError("found bytes after its end, expected one pickle")
        except (OSError, EOFError, zlib.error) as error:
            raise PickleError(f"found a broken gzip file ({error}), expected a gzip-packed pickle") from error
    if excess := measure(value, reader.limits.values, reader.limits.depth):
        raise PickleError(excess)
    return Plain(value, dict(reader.foreign))


class _Reader:
    """A stack, a memo and marks, as a pickle's opcodes use them."""

    def __init__(
        self, stream: gzip.GzipFile, spool: IO[bytes], records: frozenset[str], *, foreign: bool, limits: Limits
    ) -> None:
        self.limits = limits
        self.foreign: Counter[str] = Counter()
        self._allow_foreign = foreign
        self._records = records
        self._stream, self._spool = stream, spool
        self._read = self._held = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(self.limits.opcodes):
            code = self.take(1)
            if code == b".":
                if len(self.stack) != 1:
                    raise PickleError(f"found {len(self.stack)} values at its end, expected one")
                return self.stack[0]
            handler = _OPCODES.get(code)
            if handler is None:
                raise PickleError(f"found the opcode {code!r}, expected a pickle of protocol 2 to 5 with plain data")
            try:
                handler(self)
            except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
                if isinstance(error, PickleError):
                    raise
                raise PickleError(f"found a broken pickle ({type(error).__name__}), expected plain data") from error
        raise PickleError(f"found more than {self.limits.opcodes} opcodes, expected a recording")

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self._count(size)
        data = self._stream.read(size)
        if len(data) != size:
            raise PickleError("found its end too early, expected a whole pickle")
        return data

    def line(self) -> str:
        """Return the next line, its end left out."""
        data = self._stream.readline(1000)
        self._count(len(data))
        if not data.endswith(b"\n"):
            raise PickleError("found a name without an end, expected a whole pickle")
        return data[:-1].decode()

    def number(self, form: str) -> Any:
        """Return the next number of a `struct` form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def hold(self, size: int) -> bytes:
        """Return the next bytes, which stay in memory."""
        self._held += size
        if self._held > self.limits.memory:
            raise PickleError(f"found more than {self.limits.memory} bytes of text, expected a recording")
        return self.take(size)

    def blob(self, size: int) -> bytes | Blob:
        """Return the next bytes, on disk where they are many."""
        if size < LARGE:
            return self.hold(size)
        self._count(size)
        offset = self._spool.seek(0, 2)
        left = size
        while left:
            data = self._stream.read(min(left, CHUNK))
            if not data:
                raise PickleError("found its end too early, expected a whole pickle")
            self._spool.write(data)
            left -= len(data)
        return Blob(self._spool, offset, size)

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > self.limits.unpacked:
            raise PickleError(f"found more than {self.limits.unpacked} bytes unpacked, expected a recording")

    def since_mark(self) -> list[Any]:
        """Take off the stack what was put there after the last mark."""
        at = self.marks.pop()
        values = self.stack[at:]
        del self.stack[at:]
        return values

    def pop(self) -> Any:
        """Take off the last value; what lies below a mark belongs to the mark."""
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise PickleError("found a broken stack, expected plain data")
        return self.stack.pop()

    def leave_out(self, name: str) -> Foreign:
        """Return what stands for an object of another program; raises PickleError where that is not allowed."""
        if not self._allow_foreign:
            raise PickleError(f"found {name}, expected plain data, arrays of numbers and known records")
        self.foreign[name] += 1
        return Foreign(name)

    def reduce(self) -> None:
        """Put in place of a call what it would have made, if that is plain data."""
        arguments, what = self.pop(), self.pop()
        name = what.name if isinstance(what, Global) else f"a call of {type(what).__name__}"
        try:
            made = call(name, arguments)
        except (KeyError, TypeError, ValueError) as error:
            message = f"found {name} with other arguments than plain data has ({error}), expected an array of numbers"
            raise PickleError(message) from error
        self.stack.append(self.leave_out(name) if made is None else made)

    def new(self, *, keywords: bool = False) -> None:
        """Put an empty record in place of a construction."""
        extra = self.pop() if keywords else {}
        arguments, what = self.pop(), self.pop()
        name = what.name if isinstance(what, Global) else f"an object of {type(what).__name__}"
        plain = arguments == () and extra == {}
        made = construct(name, self._records) if plain else None
        self.stack.append(self.leave_out(name) if made is None else made)

    def build(self) -> None:
        """Give the state to the record or array on top of the stack."""
        state = self.pop()
        if refusal := fill(self.stack[-1], state):
            raise PickleError(refusal)

    def keep(self, at: int) -> None:
        """Remember the value on top of the stack."""
        self.memo[at] = self.stack[-1]

    def append(self, values: list[Any]) -> None:
        """Add the values to the list or set below them."""
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(map(_key, values))
        elif not isinstance(target, Foreign):
            raise PickleError(f"found items of {type(target).__name__}, expected a list or a set")

    def set_items(self, values: list[Any]) -> None:
        """Add keys and values in turn to the dictionary below them."""
        target = self.stack[-1]
        if isinstance(target, Foreign):
            return
        if not isinstance(target, dict) or len(values) % 2:
            raise PickleError(f"found keys of {type(target).__name__}, expected a dictionary")
        target.update((_key(key), value) for key, value in zip(values[::2], values[1::2], strict=True))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise PickleError("found a name that is no text, expected plain data")
        self.stack.append(Global(f"{module}.{name}"))

    def integer(self, size: int) -> None:
        if not 0 <= size <= MAX_INTEGER:
            raise PickleError(f"found a number of {size} bytes, expected at most {MAX_INTEGER}")
        self.stack.append(int.from_bytes(self.take(size), "little", signed=True))

    def text(self, size: int) -> None:
        self.stack.append(self.hold(size).decode())

    def top(self, count: int) -> None:
        self.stack.append(tuple([self.pop() for _ in range(count)][::-1]))


def _key(value: Any) -> Any:
    """Return what may be a key; other kinds are no plain data."""
    if value is not None and not isinstance(value, str | int | float | bytes):
        raise PickleError(f"found a key of {type(value).__name__}, expected a text or a number")
    return value


_OPCODES: dict[bytes, Callable[[_Reader], object]] = {
    b"\x80": lambda r: r.number("<B"),  # protocol: the opcodes themselves tell
    b"\x95": lambda r: r.number("<Q"),  # frame: only says how to buffer
    b"(": lambda r: r.marks.append(len(r.stack)),
    b"0": lambda r: r.pop(),
    b"1": lambda r: r.since_mark(),
    b"2": lambda r: r.stack.append(r.stack[-1]),
    b"N": lambda r: r.stack.append(None),
    b"\x88": lambda r: r.stack.append(True),
    b"\x89": lambda r: r.stack.append(False),
    b"J": lambda r: r.stack.append(r.number("<i")),
    b"K": lambda r: r.stack.append(r.number("<B")),
    b"M": lambda r: r.stack.append(r.number("<H")),
    b"G": lambda r: r.stack.append(r.number(">d")),
    b"\x8a": lambda r: r.integer(r.number("<B")),
    b"\x8b": lambda r: r.integer(r.number("<i")),
    b"X": lambda r: r.text(r.number("<I")),
    b"\x8c": lambda r: r.text(r.number("<B")),
    b"\x8d": lambda r: r.text(r.number("<Q")),
    b"B": lambda r: r.stack.append(r.blob(r.number("<I"))),
    b"C": lambda r: r.stack.append(r.blob(r.number("<B"))),
    b"\x8e": lambda r: r.stack.append(r.blob(r.number("<Q"))),
    b"\x96": lambda r: r.stack.append(r.blob(r.number("<Q"))),
    b"]": lambda r: r.stack.append([]),
    b"}": lambda r: r.stack.append({}),
    b")": lambda r: r.stack.append(()),
    b"\x8f": lambda r: r.stack.append(set()),
    b"a": lambda r: r.append([r.pop()]),
    b"e": lambda r: r.append(r.since_mark()),
    b"\x90": lambda r: r.append(r.since_mark()),
    b"\x91": lambda r: r.stack.append(frozenset(map(_key, r.since_mark()))),
    b"s": lambda r: r.set_items([r.pop(), r.pop()][::-1]),
    b"u": lambda r: r.set_items(r.since_mark()),
    b"t": lambda r: r.stack.append(tuple(r.since_mark())),
    b"\x85": lambda r: r.top(1),
    b"\x86": lambda r: r.top(2),
    b"\x87": lambda r: r.top(3),
    b"c": lambda r: r.stack.append(Global(f"{r.line()}.{r.line()}")),
    b"\x93": lambda r: r.stack_global(),
    b"R": lambda r: r.reduce(),
    b"\x81": lambda r: r.new(),
    b"\x92": lambda r: r.new(keywords=True),
    b"b": lambda r: r.build(),
    b"\x94": lambda r: r.keep(len(r.memo)),
    b"q": lambda r: r.keep(r.number("<B")),
    b"r": lambda r: r.keep(r.number("<I")),
    b"h": lambda r: r.stack.append(r.memo[r.number("<B")]),
    b"j": lambda r: r.stack.append(r.memo[r.number("<I")]),
}
