"""Writing what was found: the table of all features, and the consensus with the reappearance of each of its atoms.

CONSENSUS_VERSION history (the header of a consensus in one file)
  1  first version
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from reseed._support.files import replacing, write_tensors
from reseed._support.version import VERSION
from reseed.errors import DictionaryError, SpecError
from reseed.interop import write_dictionary
from reseed.interop.writers import BESIDE
from reseed.reappearance.study_table import NAME, write_table
from reseed.reappearance.table import flat
from reseed.trajectory import StudyFolder

if TYPE_CHECKING:
    from torch import Tensor

    from reseed.reappearance.features import Reappearance
    from reseed.reappearance.worth import ConsensusDictionary

__all__ = ["check_place", "write_consensus", "write_features"]

CONSENSUS_VERSION = 1

_FILE = ".safetensors"


def write_features(found: Reappearance, *, csv: Path | None = None, parquet: Path | None = None) -> tuple[Path, ...]:
    """Write the table of all features, whole or not at all; of a study as `features.parquet` in it, unless told where.

    What was found by another rule than the study's own goes into no study.

    Returns:
        What was written.

    Raises:
        TrajectoryError: another process writes in the study.
    """
    written = []
    if csv is not None:
        with replacing(csv) as temporary:
            flat(found.table).write_csv(temporary)
        written.append(csv)
    if parquet is not None:
        with replacing(parquet) as temporary:
            found.table.write_parquet(temporary)
        written.append(parquet)
    elif found.study is not None:
        folder = StudyFolder.open(found.study)
        with folder.alone():
            write_table(folder, found.table)
        written.append(folder.path / NAME)
    return tuple(written)


def write_consensus(
    found: Reappearance,
    place: str | Path,
    *,
    format: str | None = None,  # noqa: A002 (as in `write_dictionary`)
    force: bool = False,
) -> tuple[Path, ...]:
    """Write the consensus of every recipe that it was asked for.

    A file that ends in `.safetensors` holds the atoms, in how many runs each was found, which atom of each run it
    stands for, and the rest of the autoencoder where there is one. A folder is what another library loads, with the
    same about each atom in `consensus.parquet` beside it; of several recipes, each has a folder in it.

    Args:
        found: by `find_features(..., with_consensus=...)`.
        place: the file or the folder.
        format: a name of `reseed.WRITERS`, for a folder; None: `saelens`.
        force: whether what was written there before is replaced.

    Returns:
        What was written.

    Raises:
        SpecError: there is no consensus, several for one file, or a format for a file.
        DictionaryError: no feature was found in so many runs, there is no encoder, the format has no word for it, or
            something lies there.
    """
    place, made = Path(place).expanduser(), found.consensus
    if not made:
        raise SpecError("no consensus was made: ask for one with  with_consensus='mean'")
    check_place(place, format=format, force=force)
    for recipe, each in made.items():
        _check(recipe, each, whole=place.suffix != _FILE)
    if place.suffix != _FILE:
        folders = {recipe: place / recipe if len(made) > 1 else place for recipe in made}
        for name, each in made.items():
            _write_folder(each, folders[name], format or "saelens", force=force)
        return tuple(folders.values())
    if len(made) > 1:
        raise SpecError(f"{place} is one file, and there are {len(made)} conditions, {', '.join(made)}: give a folder")
    (recipe,) = made
    _write_file(made[recipe], place, recipe)
    return (place,)


def check_place(place: Path, *, format: str | None, force: bool) -> None:  # noqa: A002 (as in `write_dictionary`)
    """Refuse a file or a folder for a consensus before it takes hours to find one.

    Raises:
        SpecError: a format was given for a file.
        DictionaryError: something lies there, and is not to be replaced.
    """
    if place.suffix == _FILE and format is not None:
        raise SpecError(f"{place} holds atoms, for any library: give a folder to write what {format} loads")
    if place.exists() and place.is_dir() == (place.suffix == _FILE):
        raise DictionaryError(f"{place} is a {'folder' if place.is_dir() else 'file'}: choose another name")
    if not force and (place.is_file() or any(place.glob("[!.]*"))):
        raise DictionaryError(f"{place} is there already: choose another place, or replace it with --force")


def _check(recipe: str, each: ConsensusDictionary, *, whole: bool) -> None:
    if not len(each.made.atoms):
        raise DictionaryError(f"no feature of {recipe} was found in so many runs: ask for fewer, or train more")
    if whole and each.dictionary.notes:
        raise DictionaryError(
            f"the consensus of {recipe} has {each.dictionary.notes[0]}: write its atoms alone, into a {_FILE} file"
        )


def _write_folder(each: ConsensusDictionary, folder: Path, form: str, *, force: bool) -> None:
    write_dictionary(each.dictionary, folder, format=form, force=force)
    with replacing(folder / BESIDE) as temporary:
        _about_atoms(each).write_parquet(temporary)


def _about_atoms(each: ConsensusDictionary) -> pl.DataFrame:
    """One row for every atom: in how many runs it was found, and which atom of each run it stands for."""
    made = each.made
    members = {f"atom[{run}]": made.members[:, place].numpy() for place, run in enumerate(each.runs)}
    told = {
        "atom": range(len(made.atoms)),
        "appearances": made.appearances.numpy(),
        "reappearance": made.reappearance.numpy(),
        "strength": made.strengths.numpy(),
    }
    return pl.DataFrame(told | members).with_columns(pl.col(name).replace(-1, None) for name in members)


def _write_file(each: ConsensusDictionary, path: Path, recipe: str) -> None:
    whole, made = each.dictionary, each.made
    parts: dict[str, Tensor | None] = {
        "atoms": whole.atoms,
        "encoder": whole.encoder,
        "encoder_bias": whole.encoder_bias,
        "decoder_bias": whole.decoder_bias,
        "appearances": made.appearances,
        "reappearance": made.reappearance,
        "strengths": made.strengths,
        "members": made.members,
    }
    header = {
        "format_version": CONSENSUS_VERSION,
        "reseed": VERSION,
        "recipe": recipe,
        "runs": list(each.runs),
        "representative": each.representative,
        "space": whole.space.kind,
        "rule": None if whole.rule is None else whole.rule.title,
    }
    write_tensors(path, {name: part for name, part in parts.items() if part is not None}, header)
