"""A run of reseed: its folder in a study, `study/runs/<id>/`, or one of its snapshots, `step-000600.safetensors`.

    codes = relu(E u + b_enc), perhaps only the largest k or those above thresholds, or of E u + b_enc with a gate;
            or those of matching pursuit in u - b_dec, or E (u - b_dec), signed
    reconstruction z D + b_dec, brought back from its space

A snapshot holds them without a scale: biases are multiplied out. u is what the run read, the activations after its
preprocessing, whose map lies in the study, in `moments/`; of a transcoder, the first columns of a row. The codes are
those that the snapshot keeps of held-out tokens.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reseed._support.checksums import Checksums, refuse
from reseed.errors import DictionaryError, TrajectoryError
from reseed.interop._assemble import assembled
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop._files import Parts
from reseed.interop._sums import sha256_of
from reseed.interop.codes import CodeRule, Gated, Linear, Pursuit, Relu, Thresholded, TopK
from reseed.interop.spaces import Affine, ConstantNorm, Raw, Space, Unmapped
from reseed.trajectory import RunRecord, Snapshot, StudyFolder, Trajectory
from reseed.trajectory.reading import read_header

__all__ = ["RUN"]

_NAME = "reseed"
_RECORD = "spec.json"
_SNAPSHOT = re.compile(r"step-(\d+)\.safetensors")
_PARTS = ("atoms", "encoder", "encoder_bias", "decoder_bias")
_OF_CODES = ("threshold", "log_gain", "magnitude_offset")
"""What snapshots of some methods hold beside these."""
_ALL_POSITIVE = frozenset({"relu", "p-anneal"})
"""The methods whose codes are relu(E u + b_enc)."""
_LINEAR = frozenset({"ica", "pca", "sparse-pca"})
"""The methods whose codes are E (u - b_dec), whatever their sign."""
_K_LARGEST = frozenset({"topk", "ra-topk", "a-topk", "transcoder"})
"""The methods whose codes are the k largest of relu(E u + b_enc)."""
_ABOVE_THRESHOLDS = {
    "batchtopk": "BatchTopK",
    "matryoshka": "BatchTopK",
    "jumprelu": "JumpReLU",
    "ra-jumprelu": "JumpReLU",
}
"""The methods whose codes are what of E u + b_enc is above a threshold, one for all atoms or one of each; and how such
codes are called."""
_KINDS = {
    "none": "raw",
    "unit-norm": "constant norm",
    "centre": "centred",
    "centre-scale": "centred",
    "standardise": "standardised",
    "whiten": "whitened",
}
"""Of every preprocessing, the kind of space that atoms live in after it."""
_OF_WHOLE_ROWS = (
    "their map takes whole rows, what a transcoder reads and what it writes together, and only the first is at hand: "
    "give a run of preprocess = none"
)
_OF_THE_STORE = ("model", "layer")


def _recognises(source: Source) -> bool:
    return not isinstance(source, Tensor) and _snapshot(Path(source)) is not None


def _snapshot(path: Path) -> Path | None:
    """The file itself, or the last one in the folder of a run; None unless the run's record lies beside it."""
    files = [path] if path.is_file() else path.glob("step-*.safetensors")
    snapshots = [each for each in files if _SNAPSHOT.fullmatch(each.name) and (each.parent / _RECORD).is_file()]
    return max(snapshots, key=_step_of, default=None)


def _step_of(snapshot: Path) -> int:
    return int(snapshot.stem.removeprefix("step-"))


def _read(source: Source) -> LoadedDictionary:
    path = None if isinstance(source, Tensor) else _snapshot(Path(source).absolute())  # as sums name files
    if path is None:
        raise DictionaryError(
            f"{source} is no run of reseed: give its folder, with {_RECORD} and snapshots, or a snapshot in it"
        )
    try:
        return _of_snapshot(path, name=str(source))
    except TrajectoryError as error:
        raise DictionaryError(str(error)) from error


def _of_snapshot(path: Path, *, name: str) -> LoadedDictionary:
    run = Trajectory(path.parent)
    _check_sums(run, path)
    record, step = run.record, _step_of(path)
    if read_header(path).get("step") != step:
        raise DictionaryError(f"{path} is not of the step that its name says: copy it again")
    space, beside = _space(run, record)
    parts = _parts(path)
    rule = _rule(record, parts)
    return assembled(
        path,
        name=name,
        format=_NAME,
        rule=rule,
        subtracts=isinstance(rule, Linear | Pursuit),
        transcodes="reads" in record.method,
        space=space,
        groups=record.groups,
        step=step,
        about=_about(run, record),
        sums=sha256_of(run.folder / _RECORD, path, *beside),
        notes=tuple(_notes(run, record, name, rule)),
        **_made(parts),
    )


def _check_sums(run: Trajectory, *paths: Path) -> None:
    """By the run's own sums, wherever the run was copied to; within its study every file is checked as it is read."""
    sums = Checksums(run.folder)
    if sums.path.exists():
        lines = sums.lines()
        refuse(found for path in (run.folder / _RECORD, *paths) if (found := sums.damage(path, lines)) is not None)


def _parts(path: Path) -> Parts:
    snapshot = Snapshot(path)
    held = {name: snapshot.tensor(name) for name in _PARTS + _OF_CODES if snapshot.has(name)}
    return Parts(path, held, format=_NAME)


def _made(parts: Parts) -> dict[str, Any]:
    return {name: parts.take(name) if name == "atoms" else parts.maybe(name) for name in _PARTS}


def _rule(record: RunRecord, parts: Parts) -> CodeRule | None:
    """None for a method that is not reseed's own, and for one whose codes take more than an encoder: k-means, NMF."""
    kind, k = (record.method.get(name) for name in ("kind", "k"))
    if kind in _ABOVE_THRESHOLDS:
        return Thresholded(parts.take("threshold"), name=_ABOVE_THRESHOLDS[kind])
    if kind in _LINEAR:
        return Linear()
    if kind in _K_LARGEST and isinstance(k, int):
        return TopK(k)
    if kind == "mp" and isinstance(k, int):
        return Pursuit(threshold=0.0, most=k, until_repeated=False)
    if kind == "gated":  # a snapshot's encoder has the gate's bias already
        gain, offset = parts.take("log_gain"), parts.take("magnitude_offset")
        return Gated(r_mag=gain, b_mag=offset, b_gate=torch.zeros_like(offset))
    return Relu() if kind in _ALL_POSITIVE else None


def _space(run: Trajectory, record: RunRecord) -> tuple[Space, tuple[Path, ...]]:
    """What the run read, and the file that says it."""
    name = record.preprocess
    if name not in _KINDS:
        raise DictionaryError(f"{run.folder} read activations after {name!r}, a preprocessing that is not known here")
    if name == "none":
        return Raw(), ()
    if "reads" in record.method:
        return Unmapped(_KINDS[name], _OF_WHOLE_ROWS), ()
    if name == "unit-norm":
        return ConstantNorm(1.0), ()
    study = StudyFolder(run.folder.parent.parent)
    moments = study.path / "moments" / f"{name}.safetensors"
    if record.surrogate is not None:
        return Unmapped(_KINDS[name], "the moments of surrogate rows are not kept"), ()
    found = study.moments(name) if moments.is_file() else {}
    if "preprocess.linear" not in found:
        return Unmapped(_KINDS[name], f"{moments} has their mean and its map: read the run where its study is"), ()
    linear = found["preprocess.linear"]
    return Affine(found["preprocess.shift"], linear, _inverse(linear), name=_KINDS[name]), (moments,)


def _inverse(linear: Tensor) -> Tensor:
    """Of a factor, of factors, of which a constant dimension has 0, or of a symmetric matrix."""
    linear = linear.double()
    return torch.linalg.inv(linear) if linear.ndim == 2 else torch.where(linear != 0, 1 / linear, 0.0)  # noqa: PLR2004 (a matrix)


def _about(run: Trajectory, record: RunRecord) -> dict[str, Any]:
    spawn = {} if record.spawn is None else {"parent": record.spawn.parent, "spawned_at": record.spawn.step}
    more = {"points": record.points, "surrogate": record.surrogate, **spawn}
    return {
        "run": run.id,
        "method": record.method.get("kind"),
        "start": record.start.get("kind"),
        "start_index": record.start_index,
        "run_index": record.run_index,
        "preprocess": record.preprocess,
        "activations": record.activations,
        **{name: value for name, value in more.items() if value is not None},
        **_of_the_store(run),
    }


def _of_the_store(run: Trajectory) -> dict[str, Any]:
    """What the study's activations say that they are, where the run lies in its study."""
    study = run.folder.parent.parent
    if not (study / "manifest.json").is_file():
        return {}
    told = StudyFolder.open(study).manifest.activations
    return {name: told[name] for name in _OF_THE_STORE if name in told}


def _notes(run: Trajectory, record: RunRecord, name: str, rule: CodeRule | None) -> list[str]:
    notes = []
    if rule is None:
        kind = record.method.get("kind")
        notes.append(f"{name}: how {kind} makes codes is not in the run's record, or takes more than an encoder")
    if record.sign == "abs":
        notes.append(f"{name}: {record.method.get('kind')} leaves the sign of an atom open: compare with --sign abs")
    if run.done is None:
        notes.append(f"{name}: the run has not ended")
    elif not run.finished:
        notes.append(f"{name}: the run ended early, at step {run.done.step}: its numbers were not finite")
    return notes


RUN = Reader(
    name=_NAME,
    title="reseed",
    meaning="the folder of a run in a study of reseed, by its last snapshot, or one of its snapshots",
    recognises=_recognises,
    read=_read,
)
