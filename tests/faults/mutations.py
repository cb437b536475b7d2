"""Ways to damage a file, each drawn from a generator: bytes, JSON values, and what the headers of each format claim."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

Mutation = Callable[[bytes, random.Random], bytes]

DEEP = 100_000
MARK = "\x01raw\x01"
"""Stands in a JSON text where something is put that no JSON library would write."""
RAW = ("NaN", "-Infinity", "1e999", "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "0x10", '"\\ud800"', "")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**9, 10**15, 10**400, -(10**9), 0.5, -0.5, 1e308, 5e-324, "", "x",
    "not a word of it", "../../etc/passwd", "/dev/zero", "a\0b", "\n", "é" * 300, "x" * 100_000, "<b>x</b>", [], {},
    [[]],    [None], {"a": 1}, [1, 2, 3], ["a"], [0.5] * 3, {"": None},
)  # fmt: skip


def flipped(data: bytes, r: random.Random) -> bytes:
    """Some bytes are others; half of the time among the first, where headers are."""
    out = bytearray(data)
    for _ in range(r.choice((1, 1, 3, 20)) if out else 0):
        out[r.randrange(min(len(out), 400) if r.random() < 0.5 else len(out))] = r.randrange(256)
    return bytes(out)


def cut(data: bytes, r: random.Random) -> bytes:
    """It ends too early."""
    return data[: r.choice((0, 1, 7, 8, 9, r.randrange(len(data) + 1), len(data) - 1))]


def spoilt(data: bytes, r: random.Random) -> bytes:
    """Bytes that are no UTF-8 stand in it, or a zero byte, or it is random altogether."""
    at = r.randrange(len(data) + 1)
    bad = r.choice((b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\0", b"\xef\xbb\xbf"))
    return r.choice((data[:at] + bad + data[at:], bad + data, r.randbytes(64), bad * 50))


def wordy(data: bytes, r: random.Random) -> bytes:
    """Inside a word of it a letter is no UTF-8."""
    places = [i for i in range(1, min(len(data), 20_000)) if data[i : i + 1].isalpha() and data[i - 1 : i].isalpha()]
    at = r.choice(places) if places else 0
    return data[:at] + b"\xe9" + data[at + 1 :]


BYTES: tuple[Mutation, ...] = (flipped, flipped, cut, spoilt, wordy)


def json_value(data: bytes, r: random.Random) -> bytes:
    """One value is another, gone, twice there, or no JSON at all."""
    found = json.loads(data)
    raw = change(found, r)
    text = json.dumps(raw[0], ensure_ascii=r.random() < 0.5)
    return text.replace(json.dumps(MARK), raw[1]).encode("utf-8", "surrogatepass")


def change(found: Any, r: random.Random) -> tuple[Any, str]:
    """The same with one place changed, and what stands for MARK."""
    places = list(_places(found))
    if not places or r.random() < 0.02:
        return r.choice((*VALUES, MARK)), r.choice(RAW)
    # As likely near the root as in the leaves, which are many.
    depth = r.choice(sorted({len(path) for path in places}))
    path = r.choice([p for p in places if len(p) == depth])
    holder = found
    for key in path[:-1]:
        holder = holder[key]
    last, old = path[-1], holder[path[-1]]
    what = r.random()
    if what < 0.2:
        del holder[last]
    elif what < 0.3:
        holder[last] = MARK
    elif what < 0.4 and isinstance(old, list):
        holder[last] = r.choice((old * 2, old[:-1], old[::-1], [old], []))
    elif what < 0.45 and isinstance(old, dict):
        holder[last] = {f"{key}x": value for key, value in old.items()}
    elif what < 0.6 and isinstance(old, int | float) and not isinstance(old, bool):
        holder[last] = r.choice((-old, old * 2, old + 1, old * 1000, old * 10**9, str(old), float(old), 0))
    elif what < 0.65 and isinstance(old, str):
        holder[last] = r.choice((old + "x", old.upper(), old[:-1], f"../{old}", f"{old}\0"))
    else:
        holder[last] = r.choice(VALUES)
    return found, r.choice(RAW)


def _places(found: Any, path: tuple[Any, ...] = ()) -> Any:
    inner = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in inner:
        yield (*path, key)
        yield from _places(value, (*path, key))


def header_value(data: bytes, r: random.Random) -> bytes:
    """A safetensors file whose header lies: in one value, or in its own length."""
    length = int.from_bytes(data[:8], "little")
    if r.random() < 0.2:
        lie = r.choice((0, 1, length - 1, length + 1, len(data), 2**40, 2**63, 2**64 - 1))
        return struct.pack("<Q", lie) + data[8:]
    header = json_value(data[8 : 8 + length], r)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def tensor(data: bytes, r: random.Random) -> bytes:
    """A whole safetensors file in which one tensor is gone, of another shape or kind, or not finite."""
    from safetensors.numpy import load, save

    try:
        found = load(data)
    except Exception:  # of a kind that NumPy has not
        return flipped(data, r)
    name = r.choice(sorted(found))
    old = found.pop(name)
    what = r.randrange(9)
    flat = old.reshape(-1)
    if what == 1:
        found[name] = old.reshape(-1, 1)
    elif what == 2:
        found[name] = old[..., :-1].copy() if old.ndim else old
    elif what == 3:
        found[name] = np.zeros((0, *old.shape[1:]), old.dtype)
    elif what == 4:
        found[name] = old.astype(r.choice((np.int64, np.uint8, np.float64, np.bool_, np.int8)))
    elif what == 5 and old.dtype.kind == "f" and flat.size:
        found[name] = np.full_like(old, r.choice((np.nan, np.inf)))
    elif what == 6:
        found[name] = np.float32(1.0).reshape(())
    elif what == 7:
        found[name] = np.zeros((10**7, 0), old.dtype)
    elif what == 8:
        found[f"{name}x"] = old
    return save({key: np.ascontiguousarray(value) for key, value in found.items()} or {"x": flat})


SAFETENSORS: tuple[Mutation, ...] = (*BYTES, header_value, header_value, header_value, tensor, tensor, tensor)
JSON: tuple[Mutation, ...] = (*BYTES, *(json_value,) * 9)


def json_line(data: bytes, r: random.Random) -> bytes:
    """One line of a file of JSON lines is damaged."""
    lines = data.splitlines()
    at = r.randrange(len(lines))
    lines[at] = r.choice((json_value, *BYTES))(lines[at], r)
    return b"\n".join(lines)


LINES: tuple[Mutation, ...] = (*BYTES, *(json_line,) * 5)


def table(data: bytes, r: random.Random) -> bytes:
    """A whole parquet file in which a column is gone, of another kind, or full of nothing."""
    import pandas as pd

    frame = pd.read_parquet(io.BytesIO(data)).head(50)
    name = r.choice(list(frame))
    what = r.randrange(7)
    if what == 0:
        frame = frame.drop(columns=name)
    elif what == 1:
        frame[name] = None
    elif what == 2:
        frame[name] = ["x"] * len(frame)
    elif what == 3:
        frame[name] = [[1, None]] * len(frame)
    elif what == 4:
        frame[name] = frame[name].where(frame.index % 2 == 0, None)
    elif what == 5:
        frame = pd.concat([frame, frame])
    else:
        frame = frame.head(0)
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


PARQUET: tuple[Mutation, ...] = (*BYTES, flipped, flipped, table, table, table)


def npy_header(data: bytes, r: random.Random) -> bytes:
    """An .npy file of a shape that it has not, or of objects."""
    shape = r.choice(((10**7, 0), (0,), (10**12,), (2**40, 2**40), (-1,), (1, 1, 1, 16), (3, 16), (), (16, 10**9)))
    kind = r.choice(("'<f4'", "'<f8'", "'|O'", "'<U9'", "'<c16'", "'|V0'", "'<M8'", "'<f2'"))
    header = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data[128:]


NPY: tuple[Mutation, ...] = (*BYTES, npy_header, npy_header, npy_header)


def gguf_header(data: bytes, r: random.Random) -> bytes:
    """A gguf file whose counts and lengths lie."""
    out = bytearray(data)
    for _ in range(r.choice((1, 2))):
        at = r.choice((4, 8, 16, r.randrange(4, max(5, min(len(data) - 8, 400)))))
        out[at : at + 8] = struct.pack("<Q", r.choice((0, 1, 2, 5, 300, 10**6, 2**31, 2**40, 2**63, 2**64 - 1)))
    return bytes(out)


GGUF: tuple[Mutation, ...] = (*BYTES, gguf_header, gguf_header, gguf_header)


ELSEWHERE = ("../x.json", "/x.json", "a\\b.json", "C:x.json", "x" * 400 + ".json", "study/x.pkl", ".x.json",
             "study/study.json/x.json", "study/\x01.json")  # fmt: skip
"""Names of members that an archive may not have."""


def member(data: bytes, r: random.Random) -> bytes:
    """An archive in which one member is damaged, gone, twice there, or has a name that leads elsewhere."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
    at = r.randrange(len(members))
    name, inner = members[at]
    what = r.random()
    if what < 0.1:
        del members[at]
    elif what < 0.25:
        name = r.choice((*ELSEWHERE, members[0][0]))
        members[at] = (name, inner)
    else:
        members[at] = (name, r.choice(by_ending(name))(inner, r))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", r.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
        for name, inner in members:
            new.writestr(name, inner)
    return out.getvalue()


def directory(data: bytes, r: random.Random) -> bytes:
    """An archive whose list of contents lies: the end of the file is changed."""
    out = bytearray(data)
    for _ in range(r.choice((1, 3))):
        at = len(out) - 1 - r.randrange(min(len(out) - 8, 600))
        out[at : at + 4] = r.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", r.randbytes(4)))[: len(out) - at]
    return bytes(out)


ZIP: tuple[Mutation, ...] = (*BYTES, directory, directory, *(member,) * 9)
KINDS: dict[str, tuple[Mutation, ...]] = {
    ".json": JSON, ".safetensors": SAFETENSORS, ".jsonl": LINES, ".parquet": PARQUET, ".npy": NPY, ".gguf": GGUF,
    ".zip": ZIP, ".npz": ZIP, ".pt": ZIP, ".txt": BYTES, ".gz": BYTES,
}  # fmt: skip


def by_ending(name: str) -> tuple[Mutation, ...]:
    """The ways to damage a file of some name."""
    ending = "." + name.rpartition(".")[2]
    return KINDS.get(ending, BYTES)
