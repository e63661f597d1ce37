"""Mistakes in files: every document that reseed reads, cut, emptied, nested, and with every field wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from _trying import Mistake

import reseed
from reseed.activations import open_activations
from reseed.activations.synthetic import planted
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.findings import Findings
from reseed.methods import TopK
from reseed.pipeline.rejudge import rejudge
from reseed.spec import Arm, Study, Training
from reseed.starts import Start
from reseed.trajectory import Compared, StudyFolder, Trajectory
from reseed.trajectory.reading import fitted, read_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["documents", "made"]

BYTES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "blank": lambda _: b" \n",
    "one byte": lambda whole: whole[:1],
    "cut in half": lambda whole: whole[: whole.rindex(b'"', 0, len(whole) // 2)],  # TOML may end with any line
    "cut at the end": lambda whole: whole[:-3],
    "with NUL": lambda whole: whole[:20] + b"\0" + whole[20:],
    "no UTF-8": lambda whole: whole[:20] + b"\xff\xfe" + whole[20:],
    "in UTF-16": lambda whole: whole.decode().encode("utf-16"),
    "a matrix": lambda _: b"\x93NUMPY\x01\x00",
    "100,000 lists": lambda _: b"x = " + b"[" * 100_000,
    "100,000 lists in JSON": lambda _: b"[" * 100_000 + b"]" * 100_000,
    "100,000 tables in JSON": lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "150 tables in JSON": lambda _: b'{"a":' * 150 + b"1" + b"}" * 150,
    "5,000 digits in JSON": lambda _: b'{"format_version": 1' + b"0" * 5000 + b"}",
    "5,000 digits in TOML": lambda _: b"starts = 1" + b"0" * 5000,
    "100 digits in TOML": lambda _: b"starts = 1" + b"0" * 100,
    "half a character": lambda _: b'{"format_version": "\\ud800"}',
    "half a name": lambda _: b'{"\\ud800": 1}',
    "NaN": lambda _: b'{"format_version": NaN}',
    "a list": lambda _: b"[]",
    "a number": lambda _: b"7",
    "null": lambda _: b"null",
    "nothing in it": lambda _: b"{}",
    "dotted without end": lambda _: b"a." * 50_000 + b"a = 1",
    "twice the same key": lambda _: b"starts = 1\nstarts = 2",
}
FIELDS: dict[str, Any] = {
    "null": None,
    "text": "many",
    "minus one": -1,
    "a half": 0.5,
    "true": True,
    "a list": [[1]],
    "a table": {"a": 1},
    "99": 99,
}


@dataclass(frozen=True)
class Kind:
    """A kind of document: where one lies, and what reads it."""

    name: str
    path: Path
    read: Callable[[Path], Any]
    """Gets the document's folder."""
    optional: set[str] = field(default_factory=set)
    """Fields with a default: a document without them is one of an older reseed."""
    free: set[str] = field(default_factory=set)
    """Fields of which reading believes any value of their type; what they say is held against other files later."""
    tables: set[str] = field(default_factory=set)
    """Fields that are tables of anything."""


def documents(folder: Path) -> Iterator[Mistake]:
    """Every kind of document with every kind of damage."""
    for kind in kinds(made(folder)):
        whole = kind.path.read_bytes()
        for words, spoil in BYTES.items():
            yield _damaged(folder, kind, words, spoil(whole))
        yield _damaged(folder, kind, "a folder in its place", None)
        if kind.path.suffix == ".toml":
            yield _damaged(folder, kind, "with a byte order mark", b"\xef\xbb\xbf" + whole, allowed=True)  # or told
            continue
        document = json.loads(whole)
        for name in document:
            without = {key: value for key, value in document.items() if key != name}
            yield _damaged(folder, kind, f"without {name}", _json(without), allowed=name in kind.optional)
            for words, value in FIELDS.items():
                changed = _json(document | {name: value})
                yield _damaged(
                    folder, kind, f"{name} is {words}", changed, allowed=_may_be(kind, name, value, document)
                )
        yield _damaged(folder, kind, "with a field more", _json(document | {"surprise": 1}))


def _may_be(kind: Kind, name: str, value: object, document: dict[str, Any]) -> bool:
    """Whether reading alone cannot know that a value is wrong."""
    if value is None:
        return name in kind.optional
    same = type(value) is type(document[name])
    return name in kind.free or (same and isinstance(value, int)) or (same and name in kind.tables)


def kinds(folder: Path) -> tuple[Kind, ...]:
    """Of a folder from `made`."""
    study = folder / "study"
    run = min((study / "runs").iterdir())
    about = next((study / "compared").glob("*/about.json"))
    return (
        Kind("study.toml", folder / "study.toml", lambda at: Study.read(at / "study.toml")),
        Kind("study.toml of a folder", study / "study.toml", lambda at: rejudge(at, quiet=True)),
        Kind(
            "manifest of a study",
            study / "manifest.json",
            lambda at: StudyFolder.open(at).manifest,
            {"machine", "study", "activations"},
            {"study", "reseed"},
            {"activations", "machine"},
        ),
        Kind(
            "findings",
            study / "findings.json",
            Findings.read,
            free={"reseed", "headline"},
            tables={"study", "activations", "machine"},
        ),
        Kind(
            "record of a run",
            run / "spec.json",
            lambda at: Trajectory(at).record,
            {
                "training",
                "activations",
                "spawn",
                "surrogate",
                "surrogate_rank",
                "dimensions_per_token",
                "points",
                "sign",
                "dice",
                "shared_when_published",
                "format_version",
                "determined",
                "groups",
            },
            {
                "method",
                "start",
                "training",
                "activations",
                "points",
                "preprocess",
                "start_index",
                "run_index",
                "surrogate",
                "dimensions_per_token",
            },
            {"rolls"},
        ),
        Kind("end of a run", run / "done", lambda at: Trajectory(at).done, {"step", "batch", "remedy"}, {"step"}),
        Kind(
            "what was compared",
            about,
            lambda at: fitted(at / "about.json", Compared, read_json(at / "about.json")),
            {"floors", "surrogates", "format_version", "nested"},
            {"reseed", "format_version"},
        ),
        Kind(
            "manifest of a store",
            folder / "store" / "manifest.json",
            lambda at: open_activations(at, verify=False),
            {"heldout_texts"},
            {"n_tokens", "d_model", "about"},
        ),
    )


def made(folder: Path) -> Path:
    """A finished study of seconds, the store that it read, and its study.toml."""
    if (folder / "study").exists():
        return folder
    rows = planted(120, 8, n_atoms=6, active=2, noise=0.1, offset=1.0).rows
    np.save(folder / "acts.npy", rows.numpy())
    manifest = begin_store(folder / "store", about={"model": "by hand"}, d_model=8, dtype="fp32")
    manifest = write_heldout(folder / "store", manifest, rows[:20])
    finish_store(folder / "store", append_shard(folder / "store", manifest, rows[20:]))
    study = Study(
        activations="store",
        preprocess=("centre",),
        starts=2,
        runs_per_start=1,
        arms=(Arm(name="topk", method=TopK(n_atoms=6, k=2), start=Start(kind="random")),),
        training=Training(steps=2, batch_size=20, evenly=1, device="cpu", threads=1),
    )
    study.write(folder / "study.toml")
    reseed.run(Study.read(folder / "study.toml"), folder / "study", quiet=True)
    return folder


def _json(document: Any) -> bytes:  # noqa: ANN401 (whatever it holds)
    return json.dumps(document).encode()


def _damaged(folder: Path, kind: Kind, words: str, content: bytes | None, *, allowed: bool = False) -> Mistake:
    def attempt() -> Any:  # noqa: ANN401 (whatever the reader gives)
        copy = folder / "spoilt"
        shutil.rmtree(copy, ignore_errors=True)
        if kind.path.parent == folder:
            copy.mkdir()
            shutil.copy(kind.path, copy)
        else:
            shutil.copytree(kind.path.parent, copy)
        path = copy / kind.path.name
        path.unlink()
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        kind.read(copy)

    return Mistake("documents", f"{kind.name}, {words}", attempt, allowed=allowed)
