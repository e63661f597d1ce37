"""What every way to learn a dictionary can do, for a whole stack of runs at once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from pydantic import PositiveInt
from torch import Tensor

from reseed import kernels
from reseed._support.numbers import size
from reseed._support.settings import AtMost, Settings
from reseed.dice import Die

__all__ = [
    "MOST_ATOMS",
    "BatchOutcome",
    "Method",
    "Parameters",
    "Reading",
    "Resamples",
    "Schedule",
    "StartPoint",
    "State",
]

MOST_ATOMS = AtMost(2**24, lambda n: f"{n:,} atoms of 1,000 dimensions are {size(4000 * n)} for each dictionary")
"""The largest published dictionaries have 2^24 atoms (@gao2024scaling)."""

State = dict[str, Tensor]
"""Everything that training changes or needs, by name; each entry has a leading `runs` axis."""

Parameters = dict[str, Tensor]
"""What a snapshot holds, by name and in the units of the activations; each entry has a leading `runs` axis."""


@dataclass(frozen=True)
class Reading:
    """What a method reads that writes something else, in the units of the activations."""

    mean: Float[Tensor, " d_read"]
    """Mean of what is read."""
    scale: float
    """Root mean square deviation from it, per dimension."""
    to_written: Float[Tensor, "d_read d_model"]
    """The linear map of deviations from the means that says what is written with the least square error; a ridge of a
    thousandth of the variance per dimension keeps directions without variance out."""


@dataclass(frozen=True)
class StartPoint:
    """Where one run starts, in the units of the activations, before the method applies a norm of its own."""

    atoms: Float[Tensor, "atoms d_model"]
    """The dictionary at step 0."""
    points: Float[Tensor, "points d_model"] | None
    """What an archetypal dictionary mixes its atoms from."""
    weights: Float[Tensor, "atoms points"] | None
    """The mixing weights, rows that sum to 1; None for a method that mixes no points."""
    mean: Float[Tensor, " d_model"]
    """Mean activation."""
    scale: float
    """Root mean square deviation of an activation from the mean, per dimension."""
    sample: Float[Tensor, "tokens columns"]
    """Whole rows of activations on which a method may set the size of its encoder."""
    reading: Reading | None = None
    """What is read, where a method reads something else than it writes."""
    encoder: Float[Tensor, "atoms d_model"] | None = None
    """The encoder's rows in the method's units, where the start says them; None: the method chooses."""
    bias: Float[Tensor, " d_model"] | None = None
    """The decoder's bias, where a method has one and the start says it; None: the mean."""


@dataclass(frozen=True)
class Schedule:
    """Where in its training a run stands, and the recipe's wishes for the size of its updates."""

    step: int
    """Updates made so far."""
    n_steps: int
    """Updates in all."""
    warmup_steps: int = 0
    """Updates over which the learning rate rises."""
    decay: float = 0.0
    """Final fraction of the updates over which it falls, in [0, 1]."""


@dataclass(frozen=True)
class BatchOutcome:
    """What one batch says about each run."""

    loss: Float[Tensor, " runs"]
    """What is optimised, such as eq. 3: in the method's units, per token and dimension, penalties included."""
    fired: Bool[Tensor, "runs atoms"]
    """Whether an atom was active on any token."""
    least: Float[Tensor, " runs"] | None = None
    """The smallest code that was kept, 0 where none was; only where the batch as a whole decides that."""


class Method(Settings, ABC):
    """One way to learn a dictionary: frozen settings, and functions on a `State` while it learns.

    What it has learnt are its `parameters`: a snapshot holds them, and they are enough for `encode` and `decode`.
    Reading never writes: only `update` changes a state, in place, and `resample` where there is one.

    A method has to say how it begins, how it updates, what a snapshot holds and how that encodes. All else has a
    default, which suits an autoencoder with codes that are not negative.
    """

    title: ClassVar[str]
    """The method's name in a heading."""
    sign: ClassVar[Literal["signed", "abs"]] = "signed"
    """abs: an atom and its negative are one atom, with the negative code; agreement is that of absolute cosines."""
    mixes_points: ClassVar[bool] = False
    """Whether atoms are mixtures of fixed points (archetypal)."""
    points_per_atom: ClassVar[int] = 1
    """How many points a start draws for each atom where it does not say how many."""
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder", "encoder_bias")
    """The parameters with a row per atom that `encode` and `decode` need: what changes places where atoms do."""
    for_all_atoms: ClassVar[tuple[str, ...]] = ("decoder_bias",)
    """The other parameters that `encode` and `decode` need."""
    negated: ClassVar[tuple[str, ...]] = ("atoms", "encoder", "encoder_bias")
    """The parameters whose rows change sign with their atoms, where `sign` is abs."""
    determined: ClassVar[bool] = False
    """Whether what it learns depends on the activations alone, and on no start: its runs agree because there is one
    solution, which tells nothing of what they were trained on."""
    all_active: ClassVar[bool] = False
    """Whether every token has all atoms."""
    code_rule: ClassVar[str] = "positive outputs of a linear encoder"
    """How a token gets its codes, in a few words."""

    published_start: ClassVar[str] = "random"
    """The kind of start that the method was published with: what `reseed init` writes."""
    suggested: ClassVar[Mapping[str, object]] = MappingProxyType({})
    """What `reseed init` writes for settings without a default, other than `n_atoms` and `k`."""
    penalty: ClassVar[str | None] = None
    """The setting by which fewer atoms are active the larger it is: what `reseed tune --l0` seeks. None where a token
    has as many as another setting says."""

    kind: str
    """The method's name in `METHODS`."""
    n_atoms: Annotated[PositiveInt, MOST_ATOMS]
    """Rows of the dictionary."""

    @abstractmethod
    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1, with its constraints in force."""

    @abstractmethod
    def update(self, state: State, x: Float[Tensor, "runs batch d_model"], schedule: Schedule) -> BatchOutcome:
        """Learn from one batch, in place, and put the constraints back; the outcome is that before the update."""

    @abstractmethod
    def parameters(self, state: Mapping[str, Tensor]) -> Parameters:
        """What a snapshot holds: at least `atoms`, `encoder` (a row per atom) and `decoder_bias`.

        The encoder's row is the direction by which a token makes the atom active: the atom itself where a method has no
        encoder of its own.
        """

    @abstractmethod
    def encode(
        self, parameters: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """The codes of activations, in their units, dense; from nothing but `per_atom` and `for_all_atoms`."""

    def decode(self, parameters: Mapping[str, Tensor], codes: kernels.Codes) -> Float[Tensor, "runs batch d_model"]:
        """The reconstruction of activations: codes atoms + decoder_bias, whatever the method."""
        return kernels.decode(codes, parameters["atoms"]) + parameters["decoder_bias"].unsqueeze(1)

    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """Named statistics of the state that only this method has: none by default."""
        del state
        return {}

    @property
    def columns_read(self) -> int | None:
        """How many columns of a row a method reads that writes the others; None where it writes what it reads."""
        return getattr(self, "reads", None)

    def target(self, x: Float[Tensor, "*runs batch columns"]) -> Float[Tensor, "*runs batch d_model"]:
        """What of the activations is reconstructed: all columns, or those that are written."""
        return x if self.columns_read is None else x[..., self.columns_read :]

    def mistake_for(self, tokens: int) -> str | None:
        """What in the settings makes no sense for a run of so many tokens, with a remedy; None where all does."""
        del tokens
        return None

    @property
    def non_negative(self) -> bool:
        """Whether it refuses activations with a negative entry."""
        return False

    def misfit(self, d_model: int) -> str | None:
        """What in the settings cannot be learnt in so many dimensions, with a remedy; None where all can."""
        del d_model
        return None

    @property
    def group_sizes(self) -> tuple[int, ...]:
        """Of dictionaries within one another, by how many atoms each is larger than the one before; () without any."""
        return ()

    @property
    def dice(self) -> frozenset[Die]:
        """The dice that change what the method learns from one start: the order of the data by default."""
        return frozenset({"order"})

    @property
    def peak_rate(self) -> float | None:
        """The setting `learning_rate` of a method that has one, which `reseed tune` can choose."""
        return getattr(self, "learning_rate", None)

    @property
    def removes_mean(self) -> bool:
        """Whether a decoder bias, at step 0 the mean activation, is taken off before atoms see an activation.

        Data and k-means starts of such a method are taken from x - b_dec, the space in which its atoms live.
        """
        return bool(getattr(self, "decoder_bias", False))


@runtime_checkable
class Resamples(Protocol):
    """A method that can replace dead atoms by activations."""

    @property
    def resample_every(self) -> int | None:
        """Steps between replacements; None: never."""

    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> None:
        """Put activations in the place of dead atoms, in place."""
