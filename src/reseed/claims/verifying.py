"""Whether a document holds: everything in it is derived again from the files that it names, part by part."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from reseed._support import stopping
from reseed._support.documents import UnreadableError, read_json
from reseed._support.files import sha256_of_file
from reseed._support.guard import guarded
from reseed._support.mistakes import first_mistake, shown
from reseed._support.version import VERSION
from reseed.claims.again import Asking, comparison_again, features_again, made_here, passport_again
from reseed.claims.companions import check_companions
from reseed.claims.differences import ABSOLUTE, RELATIVE, held
from reseed.claims.document import Difference, Verified
from reseed.claims.named_files import check_files, missing
from reseed.claims.parts import compared, one, ordered, part_of
from reseed.claims.seal import seal_of
from reseed.claims.studies import check_findings
from reseed.claims.versions import check_made, check_reseed
from reseed.comparison import COMPARISON_VERSION, DictionaryComparison
from reseed.comparison.document import TENSOR
from reseed.comparison.files import is_elsewhere
from reseed.errors import MemoryShortError, MissingExtraError, ReseedError, SpecError
from reseed.findings import FINDINGS_VERSION, Findings
from reseed.reappearance import FEATURES_VERSION, Features
from reseed.reappearance.passport import PASSPORT_VERSION, Passport

if TYPE_CHECKING:
    from collections.abc import Callable

    from reseed.claims.document import Part, State
    from reseed.comparison.document import AskedComparison
    from reseed.reappearance.document import AskedFeatures

__all__ = ["verify"]

_KINDS: dict[str, tuple[str, type[BaseModel], int]] = {
    "passport_version": ("passport", Passport, PASSPORT_VERSION),
    "features_version": ("features", Features, FEATURES_VERSION),
    "comparison_version": ("comparison", DictionaryComparison, COMPARISON_VERSION),
    "findings_version": ("findings", Findings, FINDINGS_VERSION),
}
"""By the field that tells: what the document is, its model, and the version that is read here."""


@guarded()
@stopping.noticed()
def verify(
    path: str | Path,
    *,
    folder: str | Path | None = None,
    activations: str | Path | None = None,
    sha256: str | None = None,
    quiet: bool = True,
) -> Verified:
    """Derive everything in a document again from the files that it names, and say which parts of it hold.

    Numbers hold within `claims.differences.RELATIVE` of the larger and `ABSOLUTE` in any case; words, counts and hashes
    exactly. Nothing is written to what is read.

    Args:
        path: a passport, or what `reseed features --json`, `reseed compare --json` or `reseed run` wrote.
        folder: what its paths are relative to, or of findings the study; None: the document's own folder, or of
            features and comparisons this one where the files are not there.
        activations: where the activations are now; None: where they were.
        sha256: what the SHA-256 of the file should be, as a model card says it.
        quiet: no progress bars on stderr.

    Raises:
        SpecError: it is no such document, of another version, or damaged.
    """
    path = Path(path).expanduser()
    document, kind, read = _read(path)
    digest = sha256_of_file(path)
    parts = [] if sha256 is None else [_of_the_file(sha256, digest)]
    asked_from = None if folder is None else Path(folder).expanduser()
    if isinstance(read, Findings):
        study = path.absolute().parent if asked_from is None else asked_from
        parts += check_findings(document, read, study, quiet=quiet)
    else:
        there = None if activations is None else str(Path(activations).expanduser().absolute())
        parts += _check(document, read, path, asked_from, there, quiet=quiet)
    if isinstance(read, Passport):
        parts += check_companions(read, digest, path.parent)
    told = ordered(parts)
    state = _worst(told)
    return Verified(
        reseed=VERSION,
        file=str(path),
        kind=kind,  # type: ignore[arg-type] (one of the kinds)
        sha256=digest,
        relative=RELATIVE,
        absolute=ABSOLUTE,
        parts=told,
        state=state,
        sentence=_sentence(path, told, state),
    )


def _read(path: Path) -> tuple[dict[str, Any], str, BaseModel]:
    """The document as it stands, what it is, and the same by its model."""
    try:
        document = read_json(path)
    except UnreadableError as error:
        raise SpecError(f"{path} cannot be checked: {error}; give what reseed wrote as JSON") from error
    name = next((each for each in _KINDS if each in document), None)
    if name is None:
        raise SpecError(
            f"{path} is no document of reseed: give a passport.json, a findings.json, or what reseed compare or "
            "reseed features print with --json"
        )
    kind, model, version = _KINDS[name]
    told = document[name]
    if type(told) is not int or told != version:
        newer = type(told) is int and told > version
        advice = "check it with a newer reseed" if newer else "make it again with this reseed"
        raise SpecError(f"{path} has {name} {shown(told)}; this reseed checks version {version}: {advice}")
    try:
        return document, kind, model.model_validate(document)
    except ValidationError as error:
        raise SpecError(f"{path} is damaged or was edited: {first_mistake(error, model)}") from error


def _of_the_file(wanted: str, digest: str) -> Part:
    if not re.fullmatch(r"[0-9a-f]{64}", wanted.strip().lower()):
        raise SpecError(
            f"sha256 is {shown(wanted)}: give the 64 digits that sha256sum prints, as a model card has them"
        )
    if wanted.strip().lower() == digest:
        return one("file", "holds", "its SHA-256 is the one that was given")
    difference = Difference(path="sha256", told=wanted, found=digest)
    return one("file", "does not hold", f"its SHA-256 is {digest}, and another was given", difference)


def _check(
    document: dict[str, Any], read: BaseModel, path: Path, folder: Path | None, activations: str | None, *, quiet: bool
) -> list[Part]:
    found = read.found if isinstance(read, Passport) else read
    if not isinstance(found, Features | DictionaryComparison):
        raise TypeError(f"{type(read).__name__} names no sources")
    asking = Asking(_folder(found.asked, path, folder, only=isinstance(read, Passport)), activations, quiet)
    parts = [_own_hash(document)] if isinstance(read, Passport) else []
    if isinstance(read, Passport):
        parts.append(check_made(read.made, made_here(), [found.reseed]))
    else:
        parts.append(check_reseed([found.reseed]))
    files = check_files(found.files, asking.places(found.asked))
    return [*parts, files, *_derived(document, read, found.asked, files, asking)]


def _own_hash(document: dict[str, Any]) -> Part:
    found = seal_of(document)
    if document["sha256"] == found:
        said = "it is that of the content; whoever edits that can make it anew, so hold it to a sum told elsewhere"
        return one("own hash", "holds", said)
    difference = Difference(path="sha256", told=str(document["sha256"]), found=found)
    said = "it is of other content: the document was edited after it was made"
    return one("own hash", "does not hold", said, difference)


def _folder(asked: AskedFeatures | AskedComparison, path: Path, given: Path | None, *, only: bool) -> Path:
    """What paths are relative to: the document's folder, or the present one where only that has the sources."""
    if given is not None or only:
        return path.parent if given is None else given
    places = (Asking(each).places(asked) for each in (path.parent, Path.cwd()))
    return next((each.folder for each in places if not missing(asked.sources, each)), path.parent)


def _derived(
    document: dict[str, Any],
    read: BaseModel,
    asked: AskedFeatures | AskedComparison,
    files: Part,
    asking: Asking,
) -> list[Part]:
    """All that follows from the files, held against what is told."""
    gone = _not_here(asked, asking)
    if gone or files.state == "cannot be checked":
        return [one("numbers", "cannot be checked", gone or "without its files nothing can be derived")]
    again: dict[type[BaseModel], Callable[[Any, Asking], BaseModel]] = {
        Passport: passport_again,
        Features: features_again,
        DictionaryComparison: comparison_again,
    }
    try:
        found = again[type(read)](asked, asking)
    except (MissingExtraError, MemoryShortError, OSError) as error:
        return [one("numbers", "cannot be checked", str(error))]
    except (ReseedError, ValueError, TypeError) as error:
        return [one("numbers", "does not hold", f"its question is refused with these files: {error}")]
    return compared(held(document, json.loads(found.model_dump_json()), part_of))


def _not_here(asked: AskedFeatures | AskedComparison, asking: Asking) -> str:
    """Why the question cannot be asked again; empty where it can."""
    activations = asking.activations or asked.activations
    told = [*asked.sources, *asked.null, *([] if activations is None else [activations])]
    gone = missing(told, asking.places(asked))
    if TENSOR in gone:
        return "it was found in a tensor that lay in memory: save it, and make the document again from the file"
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        elsewhere = any(map(is_elsewhere, gone))
        advice = "put them there" if elsewhere else "give --folder, or put them there"
        advice = "give --activations" if gone == [activations] else advice
        return f"{gone[0]}{more} {'are' if len(gone) > 1 else 'is'} not here, as seen from {asking.folder}: {advice}"
    return ""


def _worst(parts: tuple[Part, ...]) -> State:
    states = {part.state for part in parts}
    return next((each for each in ("does not hold", "cannot be checked") if each in states), "holds")


def _sentence(path: Path, parts: tuple[Part, ...], state: State) -> str:
    failing = ", ".join(part.name for part in parts if part.state == state)
    if state == "holds":
        checked = sum(part.checked for part in parts)
        return f"{path} holds: all of {checked:,} numbers, words and files follow from what it names."
    verb = "does not hold" if state == "does not hold" else "cannot be checked here"
    return f"{path} {verb}: {failing}."
