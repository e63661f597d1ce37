"""Mistakes in Python: every public function of arrays and numbers, with every kind of nonsense for each argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from _trying import Mistake

import reseed
from reseed import floors, geometry, matching, measures, statistics
from reseed.activations import batch_rows, open_activations, preprocessed
from reseed.activations.synthetic import planted
from reseed.dice import generator

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["functions"]

GOOD = torch.randn(6, 4, generator=generator(0))
SQUARE = torch.eye(4).double()
COSINES = torch.eye(6).double().expand(3, 6, 6).contiguous()
GROUPS = torch.tensor([0, 0, 1, 1, 2, 2])

TENSORS: dict[str, Callable[[torch.Tensor], Any]] = {
    "None": lambda _: None,
    "a list": lambda right: right.tolist(),
    "numpy": lambda right: right.numpy(),
    "text": lambda _: "atoms",
    "a number": lambda _: 3.0,
    "float8": lambda right: right.float().to(torch.float8_e4m3fn),
    "sparse": lambda right: right.to_sparse(),
    "meta": lambda right: right.to("meta"),
    "complex": lambda right: right.to(torch.complex64),
    "of another type": lambda right: right.double() if not right.is_floating_point() else right.long(),
    "one axis more": lambda right: right.unsqueeze(0),
    "no axis": lambda _: torch.tensor(1.0),
    "nan": lambda right: torch.full_like(right, math.nan) if right.is_floating_point() else None,
    "inf": lambda right: torch.full_like(right, math.inf) if right.is_floating_point() else None,
    "another size": lambda right: torch.cat([right, right]),
    "another width": lambda right: torch.cat([right, right], dim=-1) if right.ndim > 1 else None,
    "empty": lambda right: right[:0],
    "no columns": lambda right: right[..., :0],
    "zeros": torch.zeros_like,
}
NUMBERS: dict[str, Any] = {
    "None": None,
    "text": "3",
    "true": True,
    "a list": [3],
    "nan": math.nan,
    "inf": math.inf,
    "minus inf": -math.inf,
    "minus one": -1,
    "zero": 0,
    "a half": 2.5,
    "beyond 64 bits": 10**30,
    "huge": 2**62,
    "a tensor": torch.ones(3),
}
OTHERS: dict[str, Any] = {
    "None": None,
    "a number": 3,
    "an unknown word": "nonsense",
    "a list": [1],
    "an object": object(),
}

DATA = {"zeros", "empty", "no columns", "another size", "another width"}
"""Degenerate, or of other sizes than the rest: no mistake where the answer is defined, or says why it is not."""
ROLLED = {"minus one", "zero", "huge"}
ANY_TEXT = {"an unknown word"}


@dataclass(frozen=True)
class Case:
    """A public function, a call of it that works, and what is no mistake for an argument."""

    call: Callable[..., Any]
    right: dict[str, Any]
    allowed: dict[str, set[str]] = field(default_factory=dict)
    undefined: bool = False
    """Whether its docstring says when it is nan: a tensor or a float has no place for a reason."""

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.call.__module__.removeprefix('reseed.')}.{self.call.__name__}"


def functions(_: Path) -> Iterator[Mistake]:
    """Each argument of each function, with each kind of nonsense."""
    for case in CASES:
        yield Mistake("functions", f"{case.name}()", case.call)
        for name, right in case.right.items():
            allowed = DATA | case.allowed.get(name, set()) | (ROLLED if name in {"rolled", "roll"} else set())
            allowed |= ANY_TEXT if name in {"policy", "name"} and case.call is not preprocessed else set()
            for words, wrong in nonsense(right):
                arguments = case.right | {name: wrong}
                yield Mistake(
                    "functions",
                    f"{case.name}({name}: {words})",
                    lambda call=case.call, arguments=arguments: call(**arguments),
                    allowed=words in allowed,
                    undefined=case.undefined,
                )


def nonsense(right: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (an argument)
    """What is wrong where something of this kind is right."""
    if isinstance(right, torch.Tensor):
        made = ((words, spoil(right)) for words, spoil in TENSORS.items())
        yield from ((words, wrong) for words, wrong in made if wrong is not None or words == "None")
    elif isinstance(right, (int, float)) and not isinstance(right, bool):
        yield from NUMBERS.items()
    else:
        yield from OTHERS.items()


MATCHING = reseed.match(GOOD, GOOD.flip(0))
CODES = measures.standardise(GOOD.relu())
COVARIANCE = measures.activation_covariance(SQUARE, 6)
PROJECTIONS = measures.projections(GOOD, SQUARE)
KEPT = torch.ones(6).double()
PAIRS = {"pairs": COSINES, "groups": GROUPS}
ESTIMATE = statistics.between(COSINES, GROUPS)[0]
MISSING = {name: {"nan"} for name in ("pairs", "values", "x", "y", "curve", "r2", "within", "between", "memory")}
"""Where nan is what was not measured."""
ANY_NUMBER = {"minus one", "zero", "a half", "huge"}
ADJUSTED = {"agreement": ANY_NUMBER | {"nan", "a tensor"}, "floor": {"nan", "minus one", "zero"}}
PLANTED = {
    "active": {"zero"},
    "noise": {"zero", "a half", "huge"},
    "offset": {"zero", "a half", "huge"},
    "together": {"zero"},
    "children": {"zero"},
}

CASES = (
    Case(matching.match, {"a": GOOD, "b": GOOD, "sign": "signed"}, undefined=True),
    Case(matching.cosines, {"a": GOOD, "b": GOOD, "sign": "signed"}),
    Case(matching.row_cosines, {"a": GOOD, "b": GOOD, "sign": "signed"}),
    Case(matching.unit_rows, {"atoms": GOOD}),
    Case(matching.zero_atoms, {"atoms": GOOD}),
    Case(floors.isotropic, {"d_model": 8, "n_atoms": 5, "sign": "abs"}),
    Case(floors.subspace, {"rank": 3, "d_model": 8}),
    Case(floors.isotropic_atoms, {"n_atoms": 3, "d_model": 8, "rolled": 1}),
    Case(floors.mean_shift, {"mean_share": 0.5, "d_model": 8, "n_atoms": 3}, {"mean_share": {"zero"}}),
    Case(floors.spectrum_atoms, {"rows": GOOD, "n_atoms": 3, "rolled": 1}, {"n_atoms": {"None"}}),
    Case(floors.hull_atoms, {"points": GOOD, "weights": torch.eye(6), "rolled": 1}),
    Case(
        floors.from_draws,
        {"dictionaries": [GOOD, GOOD], "policy": "any", "name": "any", "sign": "signed"},
        undefined=True,
    ),
    Case(
        floors.measured,
        {"draws": [GOOD, GOOD], "measure": lambda *_: 1.0, "policy": "any"},
        {"draws": {"a list"}},
        undefined=True,
    ),
    Case(floors.from_pairs, {"values": {(0, 1): 0.5}, "n_draws": 2, "policy": "any"}, undefined=True),
    Case(measures.alive_cosines, {"matching": MATCHING, "alive_a": KEPT > 0, "alive_b": KEPT > 0}),
    Case(
        measures.code_correlations, {"matching": MATCHING, "codes_a": GOOD.T.tile(2, 1), "codes_b": GOOD.T.tile(2, 1)}
    ),
    Case(measures.code_agreement, {"matching": MATCHING, "codes_a": GOOD.T.tile(2, 1), "codes_b": GOOD.T.tile(2, 1)}),
    Case(measures.standardise, {"codes": GOOD}),
    Case(
        measures.standardise_active,
        {
            "tokens": torch.arange(3),
            "atoms": torch.arange(3),
            "values": torch.ones(3),
            "n_tokens": 3,
            "n_atoms": 3,
        },
    ),
    Case(measures.standard_correlations, {"matching": MATCHING, "a": CODES, "b": CODES}),
    Case(measures.r2, {"x": GOOD, "x_hat": GOOD, "mean": torch.zeros(4)}, undefined=True),
    Case(measures.activation_covariance, {"covariance": SQUARE, "n_atoms": 6}),
    Case(measures.carrying_rank, {"covariance": SQUARE, "n_atoms": 6}),
    Case(measures.projections, {"atoms": GOOD, "covariance": SQUARE}),
    Case(measures.projections_along, {"directions": GOOD.double(), "covariance": SQUARE}),
    Case(measures.projection_correlations, {"matching": MATCHING, "a": PROJECTIONS, "b": PROJECTIONS}),
    Case(measures.projection_agreement, {"matching": MATCHING, "a": GOOD, "b": GOOD, "covariance": SQUARE}),
    Case(
        measures.whitened_agreement,
        {"matching": MATCHING, "a": GOOD, "b": GOOD, "covariance": SQUARE, "shrinkage": 0.1},
        {"shrinkage": {"zero"}},
    ),
    Case(measures.shrunk_inverse, {"covariance": SQUARE, "shrinkage": 0.1}, {"shrinkage": {"zero"}}),
    Case(measures.retention, {"atoms": GOOD, "atoms_first": GOOD, "sign": "signed"}),
    Case(measures.explained_by_retention, {"born": MATCHING, "retention_a": KEPT, "retention_b": KEPT}),
    Case(measures.firing_mass, {"codes": measures.standardise(GOOD.T.tile(2, 1)), "atoms": GOOD}, undefined=True),
    Case(
        measures.mass_weighted_agreement,
        {"matching": MATCHING, "mass_a": KEPT, "mass_b": KEPT},
        {"mass_a": {"nan"}, "mass_b": {"nan"}},
        undefined=True,
    ),
    Case(measures.mmcs, {"matching": MATCHING}),
    Case(measures.persistence, {"earlier": MATCHING, "later": MATCHING}),
    Case(measures.mean_norm_squared, {"atoms": GOOD}, undefined=True),
    Case(measures.stable_rank, {"atoms": GOOD}),
    Case(
        measures.shared_pairs,
        {"matching": MATCHING, "encoder_a": GOOD, "encoder_b": GOOD, "threshold": 0.7},
        {"threshold": {"minus one", "zero"}},
    ),
    Case(
        measures.shared_fraction,
        {"matching": MATCHING, "encoder_a": GOOD, "encoder_b": GOOD, "threshold": 0.7},
        {"threshold": {"minus one", "zero"}},
    ),
    Case(measures.subspace_overlap, {"a": GOOD, "b": GOOD, "rank": 2}),
    Case(measures.leading_directions, {"unit": GOOD.double(), "rank": 2}),
    Case(measures.overlap, {"u": SQUARE, "v": SQUARE, "rank": 2}),
    Case(measures.dictionary, {"atoms": GOOD, "activations": COVARIANCE}),
    Case(statistics.within_start, PAIRS, {"pairs": {"nan", "one axis more"}}, undefined=True),
    Case(statistics.between_start, PAIRS, {"pairs": {"nan", "one axis more"}}, undefined=True),
    Case(statistics.gain, {"curve": torch.ones(3)}, {"curve": {"nan", "one axis more"}}, undefined=True),
    Case(statistics.init_memory, {"within": torch.ones(3), "between": torch.zeros(3)}, MISSING, undefined=True),
    Case(statistics.no_memory_reason, {"within": torch.ones(3), "between": torch.zeros(3)}, MISSING, undefined=True),
    Case(statistics.half_life, {"steps": torch.arange(3), "memory": torch.tensor([1.0, 0.4, 0.2])}, MISSING),
    Case(
        statistics.contraction,
        PAIRS,
        {"pairs": {"nan", "one axis more"}},
        undefined=True,
    ),
    Case(statistics.floor_adjusted, {"agreement": 0.5, "floor": 0.2}, ADJUSTED, undefined=True),
    Case(
        statistics.at_r2,
        {"curve": torch.ones(3), "r2": torch.tensor([0.0, 0.5, 0.6]), "target": 0.5},
        MISSING | {"target": ANY_NUMBER | {"nan"}},
        undefined=True,
    ),
    Case(statistics.jackknife, {"statistic": statistics.between_start, **PAIRS, "level": 0.95}, MISSING),
    Case(statistics.within, PAIRS | {"level": 0.95}, MISSING),
    Case(statistics.between, PAIRS | {"level": 0.95}, MISSING),
    Case(statistics.ends, {"curve": statistics.between_start, **PAIRS, "level": 0.95}, MISSING),
    Case(statistics.memory, PAIRS | {"level": 0.95}, MISSING),
    Case(statistics.over_runs, {"values": torch.ones(3, 6), "groups": GROUPS, "level": 0.95}, MISSING),
    Case(statistics.contrast, {"x": ESTIMATE, "y": ESTIMATE}),
    Case(statistics.beyond, {"agreement": ESTIMATE, "floor": ESTIMATE}),
    Case(
        statistics.equivalence, {"difference": ESTIMATE, "margin": 0.03, "alpha": 0.05}, {"margin": {"a half", "huge"}}
    ),
    Case(
        statistics.paired_contrast,
        {"statistics": (statistics.within_start,) * 2, "x": COSINES, "y": COSINES, "groups": GROUPS, "level": 0.95},
        MISSING,
    ),
    Case(
        statistics.permutation_test,
        {"pairs": COSINES[0], "arms": torch.tensor([0, 0, 0, 1, 1, 1]), "n_labellings": 100, "rolled": 0},
        MISSING,
    ),
    Case(statistics.smallest_p, {"n_first": 3, "n_second": 3}),
    Case(
        planted,
        {"n_tokens": 8, "d_model": 4, "n_atoms": 6, "active": 2, "noise": 0.1, "offset": 1.0, "rolled": 1},
        PLANTED,
    ),
    Case(
        planted,
        {"n_tokens": 8, "d_model": 4, "n_atoms": 6, "active": 2, "together": 0.5, "strengths": "uniform"},
        PLANTED,
    ),
    Case(planted, {"n_tokens": 8, "d_model": 4, "n_atoms": 6, "active": 2, "children": 1}, PLANTED),
    Case(
        batch_rows,
        {"n_tokens": 100, "batch_size": 10, "step": 3, "roll": 1},
        {"step": {"zero", "huge"}, "n_tokens": {"huge"}},
    ),
    Case(open_activations, {"source": GOOD.repeat(10, 1)}, allowed={"source": {"float8"}}),
    Case(preprocessed, {"activations": open_activations(GOOD.repeat(10, 1)), "name": "none"}),
    Case(reseed.read_dictionary, {"source": GOOD}, allowed={"source": {"float8"}}),
    Case(reseed.read_texts, {"sources": ["nothing.txt"]}),
    Case(
        geometry.measure, {"activations": "nothing.npy", "n_atoms": 3, "draws": 3, "tokens": 9, "preprocess": ["none"]}
    ),
    Case(reseed.run, {"study": "study.toml", "out": "out"}),
    Case(reseed.rejudge, {"path": "nothing"}),
    Case(reseed.table, {"findings": "study"}),
    Case(reseed.write_report, {"findings": "study", "path": "page.html"}),
    Case(reseed.figure, {"findings": "study", "condition": "a@b", "kind": "trajectory"}),
)
