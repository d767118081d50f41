"""The process that reads Parquet files: `python -m matscout.data.parquet_child`."""

from __future__ import annotations

from typing import Any

from matscout.data.bounded_child import Refused, serve
from matscout.data.growth import VALUE, rows_weight
from matscout.data.table_files import as_cell

_ROWS_AT_ONCE = 256
_MOST_COLUMNS = 4096


def answer(request: Any) -> Any:
    """Header and rows of cells, whose text together has so many bytes at most, and which take no more
    than so many bytes of memory where they are asked for.
    """
    path, most, memory = request
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return Refused("Parquet files are read by pyarrow, which is missing", "pip install pyarrow")
    try:
        with parquet.ParquetFile(path) as file:
            return _read(file, most, memory)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        return Refused(f"cannot be read as Parquet ({error!s:.80})", "save it again, or as CSV")


def _read(file: Any, most: int, memory: int) -> Any:
    import pyarrow

    schema, about = file.schema_arrow, file.metadata
    if len(schema) > _MOST_COLUMNS:
        return Refused(f"{len(schema)} columns; a table may have {_MOST_COLUMNS}")
    too_large = Refused(
        f"holds more than {most:,} bytes of text, or {memory >> 20:,} MB of cells",
        "take fewer rows, or save it as CSV",
    )
    weight = rows_weight(about.num_rows, len(schema))
    if about.num_rows * max(len(schema), 1) > most or weight > memory:
        return too_large
    for field in schema:
        if pyarrow.types.is_binary(field.type) or pyarrow.types.is_large_binary(field.type):
            return Refused(f"column {field.name!r:.60} holds bytes", "leave it out")
    rows, length = [], 0
    for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE):
        columns = [[as_cell(value) for value in column.to_pylist()] for column in batch.columns]
        lengths = [len(cell) for column in columns for cell in column]
        length += sum(lengths)
        # Python has but one text of each single letter.
        weight += 3 * sum(lengths) + VALUE * sum(one > 1 for one in lengths)
        if length > most or weight > memory:
            return too_large
        rows += [list(row) for row in zip(*columns, strict=True)]
    # pandas keeps the index as a column of its own.
    kept = [k for k, name in enumerate(schema.names) if not name.startswith("__index_level_")]
    names = [schema.names[k].strip() for k in kept]
    return {"header": names, "rows": [[row[k] for k in kept] for row in rows]}


if __name__ == "__main__":
    serve(answer)
