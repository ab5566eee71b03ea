"""Is a Parquet file a table of ours: told of the whole file before any row is read, whichever program wrote it."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.exceptions import InputError

from .tables import SCHEMAS

DAMAGED_HINT = "run the stage that wrote it again, with --fresh"


def check_columns(file: pq.ParquetFile, table: str, where: str) -> None:
    """Raise InputError for a column that is missing, of another kind, or without a value where each row must have one.

    Numbers of other widths, large texts and lists, dictionaries are what other programs write for the same. What is
    null within lists is for the readers of rows.
    """
    found = file.schema_arrow
    for field in SCHEMAS[table]:
        name, index = field.name, found.get_field_index(field.name)
        if index < 0:
            message = f"found no column {name}, expected those that this version writes"
            raise InputError(where, message, DAMAGED_HINT)
        there = found.field(index)
        if not _alike(there.type, field.type):
            message = f"found {there.type} in the column {name}, expected {field.type}"
            raise InputError(where, message, DAMAGED_HINT)
        if there.nullable and not field.nullable and _nulls(file, name):
            raise InputError(where, f"found a row without {name}, expected one in each", DAMAGED_HINT)


def _nulls(file: pq.ParquetFile, name: str) -> bool:
    """Tell whether a column has nulls; its statistics say so, if it has any, and else its values are read."""
    places = [number for number in range(file.metadata.num_columns) if file.schema.column(number).path == name]
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    counts = [statistics.null_count if (statistics := group.column(place).statistics) else None
              for place in places for group in groups]  # fmt: skip
    if places and None not in counts:
        return any(counts)
    return file.read(columns=[name]).column(0).null_count > 0


def _alike(found: Any, wanted: Any) -> bool:
    """Tell whether values of one type are read as those of the other."""
    types = pa.types
    if found.equals(wanted):
        return True
    if types.is_dictionary(found):
        return _alike(found.value_type, wanted)
    if types.is_struct(wanted):
        return types.is_struct(found) and all(
            (place := found.get_field_index(field.name)) >= 0 and _alike(found.field(place).type, field.type)
            for field in wanted
        )
    kinds = (_is_list, _is_text, _is_binary, types.is_integer, types.is_floating)
    kind = next((kind for kind in kinds if kind(wanted)), None)
    if kind is None or not kind(found):
        return types.is_null(found)
    return not _is_list(wanted) or _alike(found.value_type, wanted.value_type)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return any((types.is_binary(kind), types.is_large_binary(kind), types.is_fixed_size_binary(kind),
                types.is_binary_view(kind)))  # fmt: skip
