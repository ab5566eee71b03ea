"""TFRecord files and the `tf.train.Example` messages in them, without TensorFlow.

A record is its length (8 bytes, little endian), a checksum of the length, the data, a checksum of the data; a checksum
is the CRC-32C, rotated and offset ("masked"). The file may be compressed with gzip. Formats: tensorflow.org/tutorials/
load_data/tfrecord, tensorflow/core/example/{example,feature}.proto, protobuf.dev/programming-guides/encoding.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast

import google_crc32c

from .protobuf import VARINT, fields, varints
from .refusal import Refused

RECORD_BYTES = 1 << 30
"""A record is never larger; a length that says so is no length."""

Feature = list[bytes] | list[int] | list[float]


def masked_crc(data: bytes) -> int:
    """Return the checksum as TFRecord stores it."""
    crc = int(google_crc32c.value(data))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the records of an open file, one at a time; raises Refused where the file is cut off or damaged."""
    head = file.read(2)
    file.seek(0)
    plain = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if head == b"\x1f\x8b" else file
    try:
        while length := _exactly(plain, 12, may_end=True):
            (size,) = struct.unpack("<Q", length[:8])
            if struct.unpack("<I", length[8:])[0] != masked_crc(length[:8]):
                raise Refused("container_broken", "a record length with a wrong checksum", "a TFRecord file")
            if size > RECORD_BYTES:
                raise Refused("too_large", f"a record of {size} bytes", f"at most {RECORD_BYTES}")
            data = _exactly(plain, size)
            if struct.unpack("<I", _exactly(plain, 4))[0] != masked_crc(data):
                raise Refused("container_broken", "a record with a wrong checksum", "an intact one")
            yield data
    except (OSError, EOFError, zlib.error) as error:  # gzip: BadGzipFile is an OSError
        raise Refused("container_broken", f"broken gzip data ({error})", "a whole file") from None


def example(data: bytes) -> dict[str, Feature]:
    """Return the features of a `tf.train.Example`; raises Refused."""
    features: dict[str, Feature] = {}
    for number, _, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            for _, _, entry in fields(value):
                if isinstance(entry, bytes):
                    name, feature = _entry(entry)
                    features[name] = feature
    return features


def _entry(data: bytes) -> tuple[str, Feature]:
    name, feature = "", b""
    for number, _, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            name = value.decode("utf-8", "replace")
        elif number == 2 and isinstance(value, bytes):
            feature = value
    return name, _feature(feature)


def _feature(data: bytes) -> Feature:
    for number, _, value in fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            return [each for _, _, each in fields(value) if isinstance(each, bytes)]
        if number == 2:
            return _floats(value)
        if number == 3:
            return [number for _, kind, each in fields(value) for number in _ints(kind, each)]
    return []


def _floats(data: bytes) -> list[float]:
    """Return the numbers of a FloatList, packed or one by one: little endian, 4 bytes each."""
    packed = b"".join(value for _, _, value in fields(data) if isinstance(value, bytes))
    if len(packed) % 4:
        raise Refused("container_broken", f"{len(packed)} bytes of floats", "a multiple of 4")
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _ints(kind: int, value: bytes | int) -> list[int]:
    """Return the numbers of an Int64List, packed or one by one, as signed ones."""
    numbers = varints(value) if isinstance(value, bytes) else [value] if kind == VARINT else []
    return [number - (1 << 64) if number >> 63 else number for number in numbers]


def _exactly(file: IO[bytes], size: int, *, may_end: bool = False) -> bytes:
    buffer = io.BytesIO()
    while buffer.tell() < size and (chunk := file.read(min(size - buffer.tell(), 1 << 20))):
        buffer.write(chunk)
    data = buffer.getvalue()
    if len(data) != size and not (may_end and not data):
        raise Refused("container_broken", f"the end of the file after {len(data)} of {size} bytes", "a whole record")
    return data
