"""What every command that trains needs: sizes that suit the activations, a device, paths as the study tells them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from reseed._support.bus_errors import telling_of
from reseed._support.visible import visible_lines
from reseed.activations import open_activations, preprocessed, sizes_of
from reseed.activations.preprocess import check_trainable
from reseed.errors import ActivationsError, SpecError
from reseed.pipeline.sample import about_sample
from reseed.trajectory import LOCK, is_study

if TYPE_CHECKING:
    from reseed.activations import Activations, Preprocessed, Sizes
    from reseed.spec import Study

__all__ = ["check_place", "check_sizes", "checked_sizes", "device_of", "reading", "tell", "threads_of", "told_from"]

_MOST_NAMED = 3
_FIRST = re.compile(r"\.(study\.toml|SHA256SUMS|[0-9a-f]{16}\.safetensors)\.\w{8}\.partial")


def check_sizes(study: Study, activations: Sizes) -> None:
    """Refuse before anything is written what training or the floors would refuse later.

    Raises:
        SpecError: more atoms or points than training tokens, of a part where runs read parts; a method that cannot
            learn in so many dimensions.
        ActivationsError: fewer tokens than a batch.
    """
    split, batch_size = study.split, study.training.batch_size
    n_tokens, each, has = activations.n_tokens, "", f"{activations.name} has"
    if split is not None:
        n_tokens = max(0, activations.part(split.n_parts))
        each, has = f" in each of {split.n_parts:,} parts", f"each of {split.n_parts:,} parts of {activations.name} has"
    if n_tokens < batch_size:
        fewer = (
            "collect more tokens or use a smaller batch"
            if split is None
            else ('collect more tokens, use a smaller batch, fewer starts, or data = "shared"')
        )
        raise ActivationsError(f"{n_tokens:,} training tokens{each} are too few for a batch of {batch_size:,}: {fewer}")
    for arm in study.arms:
        if (mistake := arm.method.misfit(activations.d_model)) is not None:
            raise SpecError(f"{arm.name}: {mistake}")
    needed = {
        f"{what} = {count} of {arm.name}": count
        for arm in study.arms
        for what, count in (("n_atoms", arm.method.n_atoms), ("n_points", arm.start.points_for(arm.method)))
    }
    most = max(needed, key=lambda what: needed[what])
    if needed[most] > n_tokens:
        raise SpecError(
            f"{most}: {has} {n_tokens} training tokens, and each of them can be one data or k-means point; use fewer, "
            "or more activations"
        )


def checked_sizes(study: Study) -> Sizes:
    """How large the study's activations are, known to suit it before a row of them is read.

    Raises:
        SpecError: more atoms or points than training tokens.
        ActivationsError: they are missing, incomplete, or fewer tokens than a batch.
    """
    sizes = sizes_of(study.activations, tensor=study.tensor, transpose=study.transpose)
    check_sizes(study, sizes)
    return sizes


def check_place(out: Path) -> None:
    """Refuse to write among files of somebody else: a folder is empty, or has been reseed's from the beginning.

    Raises:
        SpecError: `out` holds something else, can be no folder, or cannot be written.
    """
    file = next((place for place in (out, *out.parents) if place.exists() and not place.is_dir()), None)
    if file is not None:
        raise SpecError(f"--out {out}: {file} is a file, and a folder is needed; choose another --out")
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise SpecError(f"--out {out}: {there} cannot be written by this user; choose another --out")
    if not out.exists() or is_study(out):
        return
    others = sorted(path.name for path in out.iterdir() if not _is_of_a_first_moment(path))
    if others:
        named = ", ".join(others[:_MOST_NAMED]) + (", ..." if len(others) > _MOST_NAMED else "")
        raise SpecError(f"{out} is no study and holds other files ({named}): choose another --out, or an empty folder")


def _is_of_a_first_moment(path: Path) -> bool:
    """Whether this is what a study leaves that was killed while it wrote its first file."""
    if path.is_dir():
        return path.name in {"points", "runs"} and all(map(_is_of_a_first_moment, path.iterdir()))
    return path.name == LOCK or path.stat().st_size == 0 or _FIRST.fullmatch(path.name) is not None


def told_from(out: Path, study: Study) -> Study:
    """The study with the activations' path as it is seen from the folder that its study.toml will lie in."""
    try:
        path = os.path.relpath(Path(study.activations).expanduser(), out)
    except ValueError:  # on another drive of Windows
        path = str(Path(study.activations).absolute())
    return study.model_copy(update={"activations": path})


def device_of(wanted: str) -> str:
    """`cpu` or `cuda`, as a spec's `device` asks for and torch has.

    Raises:
        SpecError: a GPU that is not there.
    """
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise SpecError(
            'device = "cuda", asked for or begun with, but torch sees no GPU: go on where there is one, install a CUDA '
            'build of torch, or use device = "cpu" and another --out'
        )
    return "cuda" if available and wanted != "cpu" else "cpu"


def threads_of(study: Study) -> int:
    """How many threads share the work."""
    return study.training.threads or torch.get_num_threads()


@contextmanager
def reading(
    study: Study, preprocess: Sequence[str], *, quiet: bool
) -> Iterator[tuple[Activations, list[Preprocessed]]]:
    """The study's activations, and what training sees of them; what is strange about them is said on stderr.

    Raises:
        ActivationsError: they are missing, damaged or too few, or no method can fit them.
    """
    with telling_of(study.activations):
        checked_sizes(study)
        activations = open_activations(study.activations, tensor=study.tensor, transpose=study.transpose)
        each_seen = [preprocessed(activations, name) for name in preprocess]
        for seen in each_seen:
            check_trainable(seen)
        said = (*activations.warnings, *about_sample(study, activations, each_seen))
        activations = replace(activations, warnings=said)
        tell(activations.warnings, quiet=quiet)
        yield activations, each_seen


def tell(warnings: Sequence[str], *, quiet: bool) -> None:
    """Say on stderr what a reader should know before believing the numbers."""
    for warning in () if quiet else warnings:
        print(f"reseed: {visible_lines(warning)}", file=sys.stderr)  # noqa: T201 (talk)
