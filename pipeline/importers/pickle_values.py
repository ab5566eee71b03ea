"""What `pickle_plain` makes of a pickle: plain values, arrays of numbers, records; and how large that may be."""

import math
import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import IO, Any

from msgspec import Struct

_NUMBERS = {
    "b1": "?", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f2": "e",
    "f4": "f", "f8": "d",
}  # fmt: skip
"""numpy's short names of number types, in `struct`'s words."""

_LEFT_OUT = frozenset({
    "datetime.date", "datetime.datetime", "datetime.timedelta", "datetime.timezone", "pathlib.PosixPath",
})  # fmt: skip
"""Calls of the standard library that only describe a value; no importer needs it."""


class Blob:
    """A byte string that lies in a file."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._offset, self.size = file, offset, size

    def read(self) -> bytes:
        """Return the bytes."""
        self._file.seek(self._offset)
        return self._file.read(self.size)


class Array:
    """A numpy array of numbers: shape, number type in numpy's short form (`u1` is a byte), bytes in C order."""

    def __init__(self, shape: tuple[int, ...] = (0,), dtype: str = "u1", data: bytes | Blob = b"") -> None:
        self.shape, self.dtype, self.data = shape, dtype, data

    def tobytes(self) -> bytes:
        """Return the bytes."""
        return self.data.read() if isinstance(self.data, Blob) else self.data


class Record(Struct, frozen=True):
    """An object of a class that the caller knows by name: its fields, nothing else of it."""

    name: str
    fields: dict[str, Any]


class Foreign(Struct, frozen=True):
    """An object that was left out, unbuilt; `name` says of what."""

    name: str


class Global(Struct, frozen=True):
    """A function or class that the file names; never looked up."""

    name: str


class _Dtype:
    """A numpy number type."""

    def __init__(self, code: str) -> None:
        self.code = code


def call(name: str, arguments: Any) -> Any:
    """Return the plain value that a call of `name` makes; None where it makes none. Raises ValueError, TypeError."""
    if name in _LEFT_OUT:
        return Foreign(name)
    made = _CALLS.get(name)
    return None if made is None else made(*arguments)


def construct(name: str, records: Collection[str]) -> Record | None:
    """Return an empty record, None where the class is not one of `records`, which are names without their module."""
    short = name.rpartition(".")[2]
    return Record(short, {}) if short in records else None


def fill(target: Any, state: Any) -> str | None:
    """Give a record or an array its state; return why that is refused, or None."""
    match target, state:
        case Foreign(), _:
            return None
        case Record(fields=fields), dict() if all(isinstance(key, str) for key in state):
            fields.update(state)
            return None
        case _Dtype(), (3, str() as order, None, None, None, *_):
            if order not in {"|", "<", "="}:
                return f"found numbers in the byte order {order!r}, expected little-endian ones"
            return None
        case Array(), (1, tuple() as shape, _Dtype() as dtype, False, bytes() | Blob() as data):
            return _fill(target, shape, dtype.code, data)
        case Array(), _:
            return "found an array of objects or in another order, expected one of numbers in C order"
        case _:
            return f"found a state for {type(target).__name__}, expected one for a record or an array"


def _fill(target: Array, shape: tuple[Any, ...], code: str, data: bytes | Blob) -> str | None:
    size = data.size if isinstance(data, Blob) else len(data)
    if len(shape) > 8 or not all(type(side) is int and 0 <= side < 1 << 32 for side in shape):
        return f"found an array of the shape {shape!r:.60}, expected whole numbers"
    if math.prod(shape) * struct.calcsize(_NUMBERS[code]) != size:
        return f"found {size} bytes in an array of the shape {shape} and the type {code}, expected another number"
    target.shape, target.dtype, target.data = shape, code, data
    return None


def measure(value: Any, most: int, depth: int) -> str | None:
    """Walk over a value; return why it is too large, too deep or not plain, or None.

    What is referred to twice counts twice, as a consumer would meet it twice; a value that contains itself is too deep.
    """
    seen = 0
    walks: list[Iterator[Any]] = [iter((value,))]
    while walks:
        for each in walks[-1]:
            seen += 1
            if seen > most:
                return f"found more than {most} values, expected a recording"
            if isinstance(each, Global):
                return f"found {each.name}, expected plain data"
            if (inner := _inner(each)) is not None:
                if len(walks) >= depth:
                    return f"found values nested more than {depth} deep, expected a recording"
                walks.append(iter(inner))
                break
        else:
            walks.pop()
    return None


def _inner(value: Any) -> Iterable[Any] | None:
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if isinstance(value, dict):
        return value.values()
    return value.fields.values() if isinstance(value, Record) else None


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    if kind != Global("numpy.ndarray") or shape != (0,) or code != b"b":
        raise ValueError("no empty array")
    return Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    array = Array()
    if not isinstance(data, bytes | Blob) or not isinstance(dtype, _Dtype) or order != "C":
        raise ValueError("no array in C order")
    if not isinstance(shape, tuple) or _fill(array, shape, dtype.code, data):
        raise ValueError("no such shape")
    return array


def _dtype(code: Any, align: Any = False, copy: Any = True) -> _Dtype:
    if not isinstance(code, str) or code not in _NUMBERS:
        raise ValueError("no numbers")
    return _Dtype(code)


def _scalar(dtype: Any, data: Any) -> float | int | bool:
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise ValueError("no number")
    number: float | int | bool = struct.unpack(f"<{_NUMBERS[dtype.code]}", data)[0]
    return number


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("no bytes")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _items(values: Any = ()) -> set[Any]:
    if not isinstance(values, list) or not all(isinstance(value, str | int | float | bytes) for value in values):
        raise ValueError("no plain values")
    return set(values)


def _mapping(*factory: Any) -> dict[Any, Any]:
    if not all(each is None or isinstance(each, Global) for each in factory):
        raise ValueError("no empty dictionary")
    return {}


_CALLS: dict[str, Callable[..., Any]] = {
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "builtins.bytes": _no_bytes,
    "__builtin__.bytes": _no_bytes,
    "builtins.set": _items,
    "__builtin__.set": _items,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _mapping,
}
"""Calls by which plain data is written, and the functions of ours that make it."""
