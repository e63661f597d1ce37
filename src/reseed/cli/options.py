"""What options may be, and the options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = [
    "ActiveAtoms",
    "BundledModel",
    "Delta",
    "Labels",
    "LeastCode",
    "LeastCosine",
    "NullRuns",
    "Quiet",
    "Reader",
    "Recipes",
    "Representative",
    "Reproduction",
    "Require",
    "Sign",
    "SignPolicy",
    "StoredType",
    "SurrogateRows",
    "TableFormat",
    "Tensor",
    "Transpose",
    "Until",
]


class BundledModel(StrEnum):
    """The models that installable packages carry."""

    SMOLLM2 = "smollm2"
    MINILM = "minilm"


class Reproduction(StrEnum):
    """The published studies that reseed runs again."""

    ABLATING_ARCHETYPES = "ablating-archetypes"


class StoredType(StrEnum):
    """How activations are stored."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class At(StrEnum):
    """Where in a block activations are read."""

    RESIDUAL = "residual"
    MLP = "mlp"


class SurrogateRows(StrEnum):
    """What surrogate rows keep beside mean and covariance."""

    ELLIPTICAL = "elliptical"
    AXES = "axes"
    GAUSSIAN = "gaussian"


class Until(StrEnum):
    """When a study that grows has enough starts."""

    SETTLED = "settled"


class TableFormat(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"


class Representative(StrEnum):
    """What stands for a class of atoms."""

    MEAN = "mean"
    MEDOID = "medoid"


class SignPolicy(StrEnum):
    """What a pair of opposite directions is."""

    SIGNED = "signed"
    ABS = "abs"


Tensor = Annotated[
    str | None,
    typer.Option(help="The tensor to read, where a file of activations (or else a dictionary) has several."),
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="The columns of that matrix are the tokens, or else the atoms.")
]
Labels = Annotated[
    list[str] | None, typer.Option(help="What the dictionaries are called, given once for each, in their order.")
]
Recipes = Annotated[
    list[str] | None, typer.Option(help="The recipe of each, given once for each; default: by their records.")
]
NullRuns = Annotated[
    list[str] | None,
    typer.Option(help="A run of the recipe on what reseed surrogate writes; given several times."),
]
Reader = Annotated[
    str | None, typer.Option("--format", metavar="READER", help="Which reader they need, if files do not tell.")
]
ActiveAtoms = Annotated[int | None, typer.Option(min=1, help="How many atoms are active, if files do not tell.")]
Delta = Annotated[
    float | None,
    typer.Option(min=0.0, help="How far archetypal atoms may leave the hull of their points (overcomplete)."),
]
Sign = Annotated[
    SignPolicy, typer.Option(help="Whether an atom and its negative are one feature, as in ICA and PCA: abs.")
]
LeastCosine = Annotated[
    float | None,
    typer.Option(
        min=-1.0, max=1.0, help="The least cosine with which a feature comes back; default: the study's, or 0.7."
    ),
]
LeastCode = Annotated[
    float | None,
    typer.Option(min=-1.0, max=1.0, help="The least correlation of codes, where known; default: the study's, or 0.5."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Require = Annotated[
    list[str] | None,
    typer.Option(
        help="Words that are good enough and numbers to reach, with commas, such as 'convergent,stabilizing' or "
        "'*@centre: between >= .80'; may be given several times: what falls short exits with 2."
    ),
]
