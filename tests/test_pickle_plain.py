"""Pickles read as data: what plain ones hold, and that hostile ones are refused before anything happens."""

import builtins
import collections
import datetime
import gzip
import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pickling
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.importers.pickle_plain import LARGE, Limits, PickleError, Plain, read_gzip
from pipeline.importers.pickle_values import Array, Blob, Foreign, Record

OWNED = Path("/tmp/gdp-owned")  # noqa: S108


def read(data: bytes, **options: Any) -> Plain:
    """Read a pickle that is not packed yet."""
    packed = io.BytesIO(gzip.compress(data, compresslevel=1))
    return read_gzip(packed, io.BytesIO(), records={"JSONAction", "UIElement"}, **options)


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner)
    | st.tuples(inner, inner, inner, inner),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=60)
@given(plain_values, st.sampled_from([2, 3, 4, 5]))
def test_plain_data_comes_back(value: Any, protocol: int) -> None:
    """As Python's own unpickler gives it, in each binary protocol."""
    assert read(pickle.dumps(value, protocol)).value == value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["u1", "<i8", "<f4", "?"])
def test_arrays(protocol: int, dtype: str) -> None:
    """Small ones in memory, large ones from the spool; scalars as numbers."""
    for shape in ((3, 5, 3), (200, 200, 3), (0,)):
        array = (np.arange(int(np.prod(shape))) % 200).reshape(shape).astype(dtype)
        value = read(pickle.dumps([array, array[:0], np.float32(1.5), np.int64(-3), np.bool_(True)], protocol)).value
        first, empty, *numbers = value
        assert isinstance(first, Array)
        assert (first.shape, first.tobytes()) == (shape, array.tobytes())
        assert first.dtype == array.dtype.str.lstrip("<|=")
        assert empty.tobytes() == b""
        assert numbers == [1.5, -3, True]
    big = read(pickle.dumps(b"x" * LARGE, protocol)).value
    assert (big.read() if isinstance(big, Blob) else big) == b"x" * LARGE


def test_records_and_what_is_left_out() -> None:
    """Known classes by name, though they cannot be imported; dates; mappings of the standard library."""
    with pickling.classes() as made:
        shared = made.JSONAction(action_type="click", index=3)
        value = [
            shared,
            shared,
            made.UIElement(text=None),
            collections.OrderedDict(a=1),
            {1, 2},
            collections.defaultdict(list, b=[2]),
            datetime.datetime(2026, 1, 1),
        ]
        data = {protocol: pickle.dumps(value, protocol) for protocol in (2, 3, 4, 5)}
    assert "android_world" not in sys.modules
    for each in data.values():
        first, second, element, *rest = read(each).value
        assert first == Record("JSONAction", {"action_type": "click", "index": 3})
        assert second is first
        assert element == Record("UIElement", {"text": None})
        assert rest == [{"a": 1}, {1, 2}, {"b": [2]}, Foreign("datetime.datetime")]


def test_foreign_objects_are_refused_or_left_out() -> None:
    """Not built in either case; their contents are not kept."""
    with pickling.classes() as made:
        data = pickle.dumps([1, made.Response(status=200, parts=[made.Response()]), Evil()])
    with pytest.raises(PickleError, match=r"found somewhere\.models\.Response, expected plain data"):
        read(data)
    plain = read(data, foreign=True)
    assert plain.value == [1, Foreign("somewhere.models.Response"), Foreign("posix.system")]
    assert plain.foreign == {"somewhere.models.Response": 2, "posix.system": 1}
    assert not OWNED.exists()


class Evil:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {OWNED}",)


class Builds:
    """Sets attributes on what the pickle names."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return builtins.set, ([],), self.state


def op(*parts: bytes | str) -> bytes:
    """Return a pickle of protocol 2 from opcodes."""
    return b"\x80\x02" + b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def text(value: str) -> bytes:
    """Return the opcode that puts a text on the stack."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


RECONSTRUCT = "cnumpy.core.multiarray\n_reconstruct\n"
HOSTILE = {
    "os.system": pickle.dumps(Evil()),
    "os.system, deep inside": pickle.dumps([{"a": [Evil()]}]),
    "eval": op("cbuiltins\neval\n", text("1"), b"\x85R."),
    "a chain of attributes": op(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R."),
    "getattr": op("cbuiltins\ngetattr\n", "cos\nsystem\n", text("__call__"), b"\x86R."),
    "a call of what is no function": op(text("x"), b")R."),
    "a class as a value": op("cos\nsystem\n."),
    "a construction": op("csubprocess\nPopen\n", b"]", text("ls"), b"a\x85\x81."),
    "a construction with keywords": op("csubprocess\nPopen\n", b")}\x92."),
    "a known record with arguments": op("ca\nJSONAction\n", text("x"), b"\x85\x81."),
    "state for a class": op("ca\nJSONAction\n", b"}", text("__init__"), text("x"), b"sb."),
    "state for a list": op(b"]}", text("append"), text("x"), b"sb."),
    "state that is a pair": op("ca\nJSONAction\n", b")\x81N}", text("__class__"), text("x"), b"s\x86b."),
    "state with keys that are no names": op("ca\nJSONAction\n", b")\x81}K\x01K\x01sb."),
    "__setstate__ of a set": pickle.dumps(Builds({"a": 1})),
    "an array of another class": op(RECONSTRUCT, "cos\nsystem\n", b"K\x00\x85C\x01b\x87R."),
    "an array of a huge shape": op(RECONSTRUCT, "cnumpy\nndarray\n", b"J\xff\xff\xff\x7f\x85C\x01b\x87R."),
    "an array whose shape is a lie": pickle.dumps(np.zeros(4, "u1"), 3).replace(b"K\x04\x85", b"K\xff\x85"),
    "an array of objects": pickle.dumps(np.array([None, "x"], dtype=object)),
    "an array of records": pickle.dumps(np.zeros(2, dtype=[("a", "i4")])),
    "an array in another order": pickle.dumps(np.asfortranarray(np.zeros((2, 3), "u1")), 4),
    "numbers in another byte order": pickle.dumps(np.zeros(2, ">i4")),
    "a persistent id": op(text("x"), b"Q."),
    "an extension": op(b"\x82\x01."),
    "an old object": op(b"(ios\nsystem\n."),
    "protocol 0": pickle.dumps([1], 0),
    "a list within itself": op(b"]q\x00h\x00a."),
    "lists beyond reason": op(b"]" * 100, b"a" * 99, b"."),
    "a key that cannot be one": op(b"}]K\x01s."),
    "nothing on the stack": op(b"a."),
    "two values": op(b"NN."),
    "no value": op(b"."),
    "an unknown memo": op(b"h\x07."),
    "a mark too many": op(b"e."),
    "below the mark": op(b"](aaa."),
    "a value from below the mark": op(b"N(0t."),
    "a huge number": op(b"\x8b\xff\xff\xff\x7f"),
    "a negative size": op(b"\x8b\xff\xff\xff\xff"),
    "a text of 4 GB": op(b"X\xff\xff\xff\xff"),
    "bytes of an exabyte": b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little"),
    "no UTF-8": op(b"X\x02\x00\x00\x00\xff\xfe."),
    "cut off": pickle.dumps(list(range(100)))[:-20],
    "more after the end": pickle.dumps(1) + b"x",
    "empty": b"",
    "garbage": b"garbage",
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_pickles_are_refused(name: str) -> None:
    """Each with what was found and expected; nothing runs, nothing is imported."""
    modules = set(sys.modules)
    with pytest.raises(PickleError, match=r"^found .*, expected "):
        read(HOSTILE[name])
    assert not OWNED.exists()
    assert set(sys.modules) == modules


def test_a_giant_memo_index_costs_nothing() -> None:
    """With Python's own unpickler it costs gigabytes."""
    assert read(op(b"]r\xff\xff\xff\x7f.")).value == []


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (pickle.dumps(b"x" * 300_000), Limits(unpacked=200_000)),
        (pickle.dumps("x" * 300_000), Limits(memory=200_000)),
        (pickle.dumps(list(range(1000))), Limits(opcodes=500)),
        (op(b"(]q\x00", *(b"](" + (b"h" + bytes([n])) * 10 + b"eq" + bytes([n + 1]) for n in range(9)), b"1h\x09."),
         Limits(values=10_000)),
    ],
)  # fmt: skip
def test_bombs(data: bytes, limits: Limits) -> None:
    """Much from little: bytes, texts, opcodes, and lists of lists of the same list."""
    with pytest.raises(PickleError, match="found more than"):
        read(data, limits=limits)


def test_a_gzip_bomb_is_left_at_its_first_byte() -> None:
    """100 MB of zeros are no pickle, which is seen before they are unpacked."""
    with pytest.raises(PickleError, match="opcode"):
        read(bytes(100 << 20))


CUT = gzip.compress(pickle.dumps([1] * 999), mtime=0)[:-12]


@pytest.mark.parametrize("data", [b"", b"no gzip", CUT, b"\x1f\x8b\x08\x00"], ids=["empty", "text", "cut", "head"])
def test_broken_gzip(data: bytes) -> None:
    """Cut off, or none."""
    with pytest.raises(PickleError, match=r"found .*, expected "):
        read_gzip(io.BytesIO(data), io.BytesIO(), records=())


@settings(max_examples=300)
@given(st.binary(max_size=60))
def test_no_bytes_bring_it_down(data: bytes) -> None:
    """Whatever follows the protocol, the outcome is data or a PickleError."""
    try:
        read(b"\x80\x04" + data + b".")
    except PickleError as error:
        assert str(error).startswith("found ")  # noqa: PT017
