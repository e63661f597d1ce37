"""Making a passport: what is found, as JSON, as a page and as a block for a model card, in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reseed._support import stopping
from reseed._support.files import PARTIAL, sha256_of_text, write_text
from reseed._support.guard import guarded
from reseed.claims.again import Asking, passport_again
from reseed.claims.companions import CARD, PAGE
from reseed.claims.places import relative_to
from reseed.claims.seal import laid_out
from reseed.errors import SpecError
from reseed.interop import Source  # noqa: TC001 (the guard reads it)
from reseed.matching import Sign  # noqa: TC001 (the guard reads it)
from reseed.reappearance.document import AskedFeatures
from reseed.report.passport_card import card
from reseed.report.passport_page import page

if TYPE_CHECKING:
    from reseed.reappearance.passport import Passport

__all__ = ["DOCUMENT", "passport"]

DOCUMENT = "passport.json"
"""The document of a passport; beside it lie a page and a block for a model card."""

_SHOWN = 5  # features that come back most and least, by their numbers


@guarded(numbers="any", cosine=(-1.0, 1.0), code=(-1.0, 1.0))
@stopping.noticed()
def passport(
    *sources: Source,
    out: str | Path,
    activations: Source | None = None,
    null: Sequence[Source] = (),
    labels: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    cosine: float | None = None,
    code: float | None = None,
    sign: Sign = "signed",
    format: str | None = None,  # noqa: A002 (the word of the command line)
    k: int | None = None,
    delta: float | None = None,
    force: bool = False,
    quiet: bool = True,
) -> Passport:
    """Which features come back, written so that others can check it: `passport.json`, `passport.html`, `model-card.md`.

    Paths in it are relative to the folder, so that it can be moved together with what it names. What features fire on
    is not in it: texts may be private.

    Args:
        *sources: as of `reseed.features`, and on disk or on the hub.
        out: the folder, a new or an empty one; whole or not at all.
        activations: as of `reseed.features`, as are all others but the last two.
        null: dictionaries of the recipe that were trained on rows without structure.
        labels: what the dictionaries are called; None: by their paths.
        groups: the recipe of each.
        cosine: the threshold of cosines; None: that of the study, or of `reseed.spec.FeatureRule`.
        code: the threshold of code correlations, likewise.
        sign: `abs` where an atom and its negative are one feature.
        format: a name of `reseed.READERS`.
        k: how many atoms are active, where files do not say.
        delta: how far archetypal atoms may leave the hull of their points, likewise.
        force: whether the folder may hold a passport already, which goes.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: something lies in the folder, or a source lies in memory, where nobody else can find it.
        ReseedError: as of `reseed.features`.
    """
    folder = Path(out).expanduser()
    _check_room(folder, force=force)
    told = [_told(each, folder) for each in sources]
    asked = AskedFeatures(
        sources=tuple(told),
        activations=None if activations is None else _told(activations, folder),
        null=tuple(_told(each, folder) for each in null),
        labels=None if labels is None else tuple(labels),
        groups=None if groups is None else tuple(groups),
        cosine=cosine,
        code=code,
        sign=sign,
        format=format,
        k=k,
        delta=delta,
        with_blocks=False,
        shown=_SHOWN,
        with_texts=False,
    )
    made = passport_again(asked, Asking(folder, quiet=quiet))
    document = laid_out(made)
    digest = sha256_of_text(document)
    texts = {DOCUMENT: document, PAGE: page(made, digest), CARD: card(made, digest)}
    _write(folder, texts)
    return made


def _told(source: Source, folder: Path) -> str:
    if not isinstance(source, str | Path):
        raise SpecError("a tensor in memory was given: nobody else can find it; save it, and give the file")
    return relative_to(str(source), folder)


def _check_room(folder: Path, *, force: bool) -> None:
    """Refuse a folder with anything in it, but for a passport that may go."""
    if not str(folder).strip() or "\0" in str(folder):
        raise SpecError(f"--out {str(folder)!r} is no name of a folder: choose another one")
    if folder.exists() and not folder.is_dir():
        raise SpecError(f"{folder} is a file: choose another folder")
    held = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    others = [name for name in held if name not in {DOCUMENT, PAGE, CARD}]
    if others:
        raise SpecError(f"{folder} holds {others[0]}: choose another folder, a new or an empty one")
    if held and not force:
        raise SpecError(f"{folder} holds a passport already: choose another folder, or replace it with --force")


def _write(folder: Path, texts: dict[str, str]) -> None:
    """All of them or none: in a folder beside it, which then takes its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=PARTIAL))
    try:
        with stopping.writing():
            for name, text in texts.items():
                write_text(beside / name, text)
            beside.chmod(0o755)
            if folder.is_dir():
                shutil.rmtree(folder)
            beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
