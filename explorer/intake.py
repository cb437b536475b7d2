"""What is read is checked: JSON against a schema, every size that a file claims against the file itself and what this
program can use, before anything is made of it. What is wrong becomes one sentence, here and nowhere else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from explorer.errors import InputError, out_of_memory

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

T = TypeVar("T")

MOST_LAYERS = 1_024
"""Blocks of the deepest model that is read."""
WIDEST = 131_072
"""Width of the widest residual stream that is read."""
MOST_WORDS = 16_000_000
"""Tokens of the largest vocabulary, and features of the largest dictionary."""
MOST_JSON = 256 << 20
"""Bytes of a JSON file."""
MOST_SETTINGS = 16 << 20
"""Bytes of a JSON file of settings."""
MOST_HEADER = 100 << 20
"""Bytes of the header of a safetensors file: what its own library reads."""
MOST_ROWS, MOST_TABLE = 20_000_000, 8 << 30
"""Rows of a table, and bytes that it says it unfolds to."""
WORDS = 300
"""Characters of what another library says of a file."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
"""A number of things."""
Width = Annotated[int, msgspec.Meta(ge=1, le=WIDEST)]
"""Width of a residual stream."""
Layers = Annotated[int, msgspec.Meta(ge=1, le=MOST_LAYERS)]
"""A number of blocks."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]*$")]
"""A word that becomes part of a file's name."""
Place = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00-\x1f]*$")]
"""A path."""

_PLACE = re.compile(r"^(?P<said>.*?)(?: - at `(?:key in )?\$\.?(?P<at>.*)`)?$", re.DOTALL)


_PATTERN = re.compile(r"`?str`? matching regex .*", re.DOTALL)


def explained(error: BaseException) -> str:
    """What a reader says of a file, in one line: for a schema's error the field, what it holds and what is allowed."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start})"
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    found = _PLACE.match(text) if isinstance(error, msgspec.ValidationError) else None
    if found is not None and found["at"]:
        text = f"{found['at']}: {found['said']}"
    text = _PATTERN.sub("a name without slashes and characters that do not print", text)
    return text.replace("`", "")[:WORDS].rstrip(".")


def of_the_file(error: BaseException) -> bool:
    """Whether an error while a file was read may be blamed on it: not if memory is used up, or somebody stopped it.

    Readers written in Rust end a damaged file in a panic, which is no Exception.
    """
    return (isinstance(error, Exception) or type(error).__name__ == "PanicException") and not out_of_memory(error)


@contextmanager
def told(named: str | Path, remedy: str) -> Iterator[None]:
    """Whatever goes wrong with a file inside becomes an InputError: its name, what is wrong, and what helps.

    What `of_the_file` does not blame on it stays what it is.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"'{named}' is gone: {remedy}") from error
    except BaseException as error:
        if not of_the_file(error):
            raise
        raise InputError(f"'{named}' is damaged: {explained(error)}; {remedy}") from error


def read_bytes(path: Path, remedy: str, most: int = MOST_JSON) -> bytes:
    """A file's bytes. Raises InputError for one that cannot be read, or is larger than `most`."""
    with told(path, remedy), path.open("rb") as file:
        # No buffer is larger than the file.
        data = file.read(min(most, path.stat().st_size) + 1)
    if len(data) > most:
        raise InputError(f"'{path}' has more than {most >> 20} MiB, the most of such a file: {remedy}")
    return data


def decode_json(data: bytes, kind: type[T], named: str | Path, remedy: str) -> T:
    """JSON as what it should be, strictly. Raises InputError with the place, what is there and what is allowed."""
    with told(named, remedy):
        return msgspec.json.decode(data, type=kind)


def read_json(path: Path, kind: type[T], remedy: str, most: int = MOST_JSON) -> T:
    """What `explorer.files.write_json` wrote. Raises InputError, which ends with a remedy, for a damaged file."""
    return decode_json(read_bytes(path, remedy, most), kind, path, remedy)


def read_settings(path: Path, kind: type[T], remedy: str, most: int = MOST_SETTINGS) -> T:
    """Settings that another library wrote, whose JSON may spell Infinity and NaN. Raises InputError."""
    data = read_bytes(path, remedy, most)
    with told(path, remedy):
        return msgspec.convert(json.loads(data), kind)


class TensorClaim(NamedTuple):
    """What the header of a safetensors file says of one tensor."""

    dtype: str
    """Its kind of numbers, as the format writes it."""
    shape: tuple[int, ...]
    """Its shape."""


_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16,
         "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64}  # fmt: skip


class _Entry(msgspec.Struct):
    dtype: Literal[
        "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64",
        "I64", "U64", "C64",
    ]  # fmt: skip
    shape: Annotated[tuple[Count, ...], msgspec.Meta(max_length=8)]
    data_offsets: tuple[Count, Count]


_NO_TENSORS = "it is no readable safetensors file"


def tensor_claims(path: Path, remedy: str) -> dict[str, TensorClaim]:
    """What a safetensors file says that it holds, checked against its length; no tensor is read. Raises InputError."""
    with told(path, remedy), path.open("rb") as file:
        length = path.stat().st_size
        header = int.from_bytes(file.read(8), "little")
        if length < 10 or header > min(MOST_HEADER, length - 8):
            raise ValueError(f"{_NO_TENSORS}: its header says {header:,} bytes, the file has {length:,}")
        try:
            entries = msgspec.json.decode(file.read(header), type=dict[str, msgspec.Raw])
        except ValueError as error:
            raise ValueError(f"{_NO_TENSORS}: {explained(error)}") from error
        entries.pop("__metadata__", None)
        found = {}
        for name, raw in entries.items():
            entry = msgspec.json.decode(raw, type=_Entry)
            begin, end = entry.data_offsets
            if (whole := 8 + header + end) > length:
                raise ValueError(f"it is cut short: {length:,} bytes, where its header speaks of at least {whole:,}")
            if not begin <= end or (end - begin) * 8 != math.prod(entry.shape) * _BITS[entry.dtype]:
                raise ValueError(f"the tensor '{name[:60]}' of shape {entry.shape} does not lie where the header says")
            found[name] = TensorClaim(entry.dtype, entry.shape)
        return found


def read_tensors(path: Path, remedy: str) -> dict[str, Tensor]:
    """Every tensor of a safetensors file. Raises InputError."""
    from safetensors.torch import load_file

    tensor_claims(path, remedy)
    with told(path, remedy):
        return load_file(path)


def read_arrays(path: Path, names: Sequence[str] | None, remedy: str) -> dict[str, NDArray[np.generic]]:
    """Some arrays of a safetensors file, or all, without loading torch; those that are not there are left out.

    Raises InputError.
    """
    from safetensors import safe_open

    there = tensor_claims(path, remedy)
    with told(path, remedy), safe_open(path, "np") as tensors:
        return {name: tensors.get_tensor(name) for name in (there if names is None else names) if name in there}


def read_npy(file: IO[bytes], length: int) -> NDArray[np.generic]:
    """The array of an .npy file of so many bytes, once its header says no more than they hold. Raises what NumPy does.

    Never unpickles.
    """
    from numpy.lib import format as npy

    start = file.tell()
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        raise ValueError(f"it is of version {version}, and 1.0 and 2.0 are read")
    shape, _, kind = readers[version](file)
    # Of a kind without bytes an array of any size has none, and still takes its time.
    if kind.kind not in "fiu":
        raise ValueError(f"it holds {kind}: give floating-point numbers")
    if not all(n > 0 for n in shape) or math.prod(shape) * kind.itemsize > length:
        raise ValueError(f"it says that it holds the shape {shape} of {kind}, and has {length:,} bytes")
    file.seek(start)
    found: NDArray[np.generic] = npy.read_array(file, allow_pickle=False)
    return found


def need_shapes(
    tensors: Mapping[str, Any], wanted: Mapping[str, tuple[int | None, ...]], named: str | Path, remedy: str
) -> None:
    """Raise InputError unless finite numbers of these shapes are there; None stands for any size but 0."""
    import numpy as np

    for name, shape in wanted.items():
        if name not in tensors:
            raise InputError(f"'{named}' lacks '{name}': {remedy}")
        found = tuple(tensors[name].shape)
        fits = len(found) == len(shape) and all(f > 0 and w in (None, f) for f, w in zip(found, shape, strict=True))
        if not fits:
            asked = " × ".join("any" if w is None else str(w) for w in shape)
            raise InputError(f"'{named}' is damaged: '{name}' has the shape {found}, expected {asked}; {remedy}")
        values = tensors[name]
        whole = np.isfinite(values).all() if isinstance(values, np.ndarray) else values.float().isfinite().all()
        if not whole:
            raise InputError(f"'{named}' is damaged: '{name}' holds numbers that are not finite; {remedy}")


Cells = Literal["whole", "number", "text", "numbers", "texts"]
"""What a column holds: whole numbers, numbers, words; or lists of these."""


def read_table(
    path: Path,
    wanted: Mapping[str, Cells],
    remedy: str,
    columns: Sequence[str] | None = None,
    filters: list[tuple[str, str, Any]] | None = None,
) -> pd.DataFrame:
    """A parquet file as a table, all of it or some columns and rows. Raises InputError for one that is damaged, lacks a
    column of `wanted`, or holds something else there.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        with told(path, remedy):
            held = pq.ParquetFile(path)
            groups = sum(held.metadata.row_group(i).total_byte_size for i in range(held.metadata.num_row_groups))
            if held.metadata.num_rows > MOST_ROWS or groups > MOST_TABLE:
                raise ValueError(f"it says that it has {held.metadata.num_rows:,} rows in {groups:,} bytes")
            schema = held.schema_arrow
            for name, cells in wanted.items():
                if name not in schema.names:
                    raise ValueError(f"it has no column '{name}'")
                if not _holds(schema.field(name).type, cells):
                    raise ValueError(f"its column '{name}' holds {schema.field(name).type}, expected {cells}")
            return pd.read_parquet(path, columns=None if columns is None else list(columns), filters=filters)
    except MemoryError as error:  # of a length that the file made up
        raise InputError(f"'{path}' is damaged: {explained(error)}; {remedy}") from error


def _holds(kind: Any, cells: Cells) -> bool:
    import pyarrow as pa

    def text(t: Any) -> bool:
        inner = t.value_type if pa.types.is_dictionary(t) else t
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))

    def number(t: Any) -> bool:
        return bool(pa.types.is_integer(t) or pa.types.is_floating(t))

    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    checks = {
        "whole": lambda: pa.types.is_integer(kind),
        "number": lambda: number(kind),
        "text": lambda: text(kind),
        "numbers": lambda: lists and number(kind.value_type),
        "texts": lambda: lists and text(kind.value_type),
    }
    return bool(checks[cells]())
