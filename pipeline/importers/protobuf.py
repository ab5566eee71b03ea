"""The wire format of protocol buffers: numbered fields, without knowing the message.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

from .refusal import Refused

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value); numbers of fixed size come as their bytes. Raises Refused."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in {FIXED64, FIXED32}:
            size = 8 if kind == FIXED64 else 4
        else:
            raise Refused("container_broken", f"wire type {kind}", "a protocol buffer")
        if number == 0 or at + size > end:
            raise Refused("container_broken", f"a field of {size} bytes where {end - at} are left", "a whole message")
        yield number, kind, data[at : at + size]
        at += size


def varints(data: bytes) -> list[int]:
    """Return packed numbers; raises Refused."""
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise Refused("container_broken", "a number that does not end", "a whole message")
