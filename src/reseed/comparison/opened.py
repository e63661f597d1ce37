"""The dictionaries to compare: read, called by short names, and sorted by the recipe that their records tell."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reseed._support.files import canonical_json
from reseed._support.mistakes import shown
from reseed.errors import DictionaryError, SpecError
from reseed.interop import read, steps_of
from reseed.interop.matrix import MATRIX

if TYPE_CHECKING:
    from reseed.interop import LoadedDictionary, Source

__all__ = ["Opened", "check_alike", "opened", "same_recipe", "sha256_of"]

_ONE_RUN = re.compile("^run$|^points$|seed|wandb|run_name|run_index|start_index|dataset|path|version|device")
_MODEL = ("model_name", "lm_name", "model")
_LAYER = ("hook_layer", "layer")
_PLACE = ("hook_name", "hook_point", "submodule_name", "hook_point_out", "hookpoint")
_BLOCK = re.compile(r"(?:^|[./_])(?:layers?|blocks?|h|resid_post_layer)[._]?\d+")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Opened:
    """One dictionary, what it is called here, and its recipe."""

    label: str
    dictionary: LoadedDictionary
    """The last one, of a run of which there are several."""
    group: str
    steps: Mapping[int, Path] = field(default_factory=dict)
    """Where the dictionaries of its run are, by their steps; empty for a dictionary alone."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """How they are read, where their files do not say."""

    def at(self, step: int) -> LoadedDictionary:
        """That of its run at one step.

        Raises:
            DictionaryError: it is damaged, or of another format, size or space than the last one.
        """
        last = self.dictionary
        if step == max(self.steps):
            return last
        found = read(self.steps[step], **self.asked)
        for what, here, there in (
            ("format", found.format, last.format),
            ("shape", tuple(found.atoms.shape), tuple(last.atoms.shape)),
            ("space", found.space.kind, last.space.kind),
        ):
            if here != there:
                raise DictionaryError(
                    f"{self.label} is of {what} {here} at step {step:,} and of {there} at its last, "
                    f"{max(self.steps):,}: that is no single run; give the last dictionary alone ({last.source})"
                )
        return found


def opened(
    sources: Sequence[Source],
    *,
    labels: Sequence[str] | None,
    groups: Sequence[str] | None = None,
    **asked: Any,  # noqa: ANN401 (whatever `read` takes)
) -> tuple[Opened, ...]:
    """Every source as one dictionary: the last one of a folder of steps.

    Args:
        sources: whatever `reseed.read_dictionary` reads, and folders of steps.
        labels: what they are called; None: by what their paths do not have in common.
        groups: the recipe of each; None: by their records.
        **asked: how they are read, where their files do not say.

    Raises:
        SpecError: labels or groups that do not fit.
        DictionaryError: one is missing, damaged or given twice.
    """
    called = _labels(sources, labels)
    if groups is not None and len(groups) != len(sources):
        raise SpecError(f"{len(groups)} groups were given for {len(sources)} dictionaries: give one for each, or none")
    steps = [steps_of(source, format=asked.get("format")) for source in sources]
    found = [read(_last(source, of), **asked) for source, of in zip(sources, steps, strict=True)]
    _check_different(called, found)
    names = list(groups) if groups is not None else _recipes(called, found)
    return tuple(map(Opened, called, found, names, steps, [asked] * len(sources)))


def same_recipe(a: LoadedDictionary, b: LoadedDictionary) -> bool:
    """Whether runs on other rows can be of the recipe of these: one size, one rule, one reader."""
    return _frame(a) == _frame(b)


def check_alike(found: Sequence[Opened], *, told_apart: bool) -> tuple[str, ...]:
    """What their records say against comparing them, in warnings where the user told their recipes apart.

    Raises:
        DictionaryError: they have other widths or spaces, or are of other layers or models by their records.
    """
    first = found[0]
    for each in found[1:]:
        widths = first.dictionary.atoms.shape[1], each.dictionary.atoms.shape[1]
        if widths[0] != widths[1]:
            raise DictionaryError(
                f"{first.label} has atoms of {widths[0]:,} dimensions and {each.label} of {widths[1]:,}: compare what "
                "comes from one layer of one model"
            )
    told = [
        each for each in found if each.dictionary.format != MATRIX.name
    ]  # a bare matrix does not say where it lives
    for each in told[1:]:
        spaces = told[0].dictionary.space.kind, each.dictionary.space.kind
        if spaces[0] != spaces[1]:
            raise DictionaryError(
                f"{told[0].label} reads {spaces[0]} activations and {each.label} {spaces[1]} ones: cosines between "
                "their atoms say nothing; compare those that read activations in the same way"
            )
    warned: dict[str, None] = {}
    for a, b in combinations(found, 2):
        for what, here, there in _elsewhere(a.dictionary, b.dictionary):
            said = f"by their records {a.label} is of {what} {here} and {b.label} of {what} {there}"
            if not told_apart:
                raise DictionaryError(
                    f"{said}: compare what comes from one layer of one model, or give each a --group to compare them "
                    "all the same"
                )
            warned[f"{said}: they are no runs of one recipe"] = None
    return tuple(warned)


def sha256_of(dictionary: LoadedDictionary) -> str:
    """Of the one file that was read, or of the lines that sha256sum prints of several; empty for a tensor."""
    sums = dictionary.sums
    if len(sums) == 1:
        return next(iter(sums.values()))
    lines = "".join(f"{total}  {name}\n" for name, total in sorted(sums.items()))
    return hashlib.sha256(lines.encode()).hexdigest() if sums else ""


def _last(source: Source, steps: Mapping[int, Path]) -> Source:
    """The last of the steps, or what was given."""
    return steps[max(steps)] if steps else source


def _labels(sources: Sequence[Source], given: Sequence[str] | None) -> list[str]:
    if given is None:
        return _short(sources)
    if len(given) != len(sources):
        raise SpecError(f"{len(given)} labels were given for {len(sources)} dictionaries: give one for each, or none")
    twice = sorted({label for label in given if given.count(label) > 1})
    if twice or not all(label.strip() for label in given):
        raise SpecError(
            f"label {shown(twice[0] if twice else '')} is empty or used twice: every dictionary has its own"
        )
    return list(given)


def _short(sources: Sequence[Source]) -> list[str]:
    """What paths do not have in common; letters where that leaves nothing."""
    parts = [Path(str(each)).parts if isinstance(each, str | Path) else () for each in sources]
    head = next((i for i, same in enumerate(zip(*parts, strict=False)) if len(set(same)) > 1), min(map(len, parts)))
    rest = [part[head:] for part in parts]
    ends = [tuple(reversed(part)) for part in rest]
    tail = next((i for i, same in enumerate(zip(*ends, strict=False)) if len(set(same)) > 1), min(map(len, ends)))
    names = ["/".join(part[: len(part) - tail]) for part in rest]
    if all(names) and len(set(names)) == len(names):
        return names
    return [_LETTERS[i % 26] + str(i // 26 or "") for i in range(len(sources))]


def _check_different(labels: Sequence[str], found: Sequence[LoadedDictionary]) -> None:
    for (a, first), (b, second) in combinations(zip(labels, found, strict=True), 2):
        if _is_same(first, second):
            told = "one file given twice" if first.source == second.source else "the same bytes in two places"
            raise DictionaryError(
                f"{a} and {b} are {told} ({second.name}): a dictionary agrees with itself; give each run once"
            )


def _is_same(a: LoadedDictionary, b: LoadedDictionary) -> bool:
    if a.sums or b.sums:
        return sorted(a.sums.values()) == sorted(b.sums.values()) and a.format == b.format
    return a.atoms.shape == b.atoms.shape and torch.equal(a.atoms, b.atoms)


def _recipes(labels: Sequence[str], found: Sequence[LoadedDictionary]) -> list[str]:
    """The recipe of each, by their records, called by a number where several would have one name."""
    keys = [_key(each) for each in found]
    distinct = list(dict.fromkeys(keys))
    names = {key: _named(found[keys.index(key)]) for key in distinct}
    several = [name for name in names.values() if list(names.values()).count(name) > 1]
    taken = {key: f"{name} ({labels[keys.index(key)]})" if name in several else name for key, name in names.items()}
    return [taken[key] for key in keys]


def _named(dictionary: LoadedDictionary) -> str:
    n_atoms = len(dictionary.atoms)
    kind = "bare" if dictionary.rule is None else dictionary.rule.title
    step = "" if dictionary.step is None else f", step {dictionary.step:,}"
    return f"{dictionary.format} {kind}, {n_atoms:,} atoms{step}"


def _key(dictionary: LoadedDictionary) -> tuple[object, ...]:
    about = {
        name: value for name, value in dictionary.about.items() if not _ONE_RUN.search(name) and name != "hookpoint"
    }
    place = _told(dictionary.about, _PLACE, only=_BLOCK)
    return (*_frame(dictionary), dictionary.step, place, canonical_json(about))


def _frame(dictionary: LoadedDictionary) -> tuple[object, ...]:
    rule = "" if dictionary.rule is None else dictionary.rule.title
    return (dictionary.format, *dictionary.atoms.shape, rule, dictionary.space.kind, dictionary.groups)


def _elsewhere(a: LoadedDictionary, b: LoadedDictionary) -> list[tuple[str, str, str]]:
    """What they are of, where both records say it and say other things."""
    pairs = [
        ("model", _told(a.about, _MODEL), _told(b.about, _MODEL)),
        ("layer", _told(a.about, _LAYER), _told(b.about, _LAYER)),
    ]
    if a.format == b.format:  # libraries have names of their own for one place
        pairs.append(("place", _told(a.about, _PLACE, only=_BLOCK), _told(b.about, _PLACE, only=_BLOCK)))
    return [(what, here, there) for what, here, there in pairs if here and there and here != there]


def _told(about: Mapping[str, Any], names: Sequence[str], *, only: re.Pattern[str] | None = None) -> str:
    """What a record says under one of these names; empty for nothing."""
    values = [str(about[name]) for name in names if about.get(name) is not None]
    return next((value for value in values if only is None or only.search(value)), "")
