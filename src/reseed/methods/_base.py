"""What every way to learn a dictionary can do, for a whole stack of runs at once."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor

__all__ = ["Method", "StartPoint", "State", "Step"]

State = dict[str, Tensor]
"""Everything that training changes or needs, by name; each entry has a leading `runs` axis."""


@dataclass(frozen=True)
class StartPoint:
    """Where one run starts, in the units of the activations, before the method applies a norm of its own."""

    atoms: Float[Tensor, "atoms d_model"]
    """the dictionary at step 0"""
    points: Float[Tensor, "points d_model"] | None
    """what an archetypal dictionary mixes its atoms from"""
    weights: Float[Tensor, "atoms points"] | None
    """the mixing weights, rows that sum to 1"""
    mean: Float[Tensor, " d_model"]
    """mean activation"""
    scale: float
    """root mean square deviation of an activation from the mean, per dimension"""
    sample: Float[Tensor, "tokens d_model"]
    """training activations on which a method may set the size of its encoder"""


@dataclass(frozen=True)
class Step:
    """What one batch says about each run."""

    loss: Float[Tensor, " runs"]
    """what is optimised: mean over tokens and dimensions of the squared error in the method's units, plus penalties"""
    squared_error: Float[Tensor, " runs"]
    """sum over the batch of ||x - x_hat||^2, in the squared units of the activations"""
    l0: Float[Tensor, " runs"]
    """mean number of active atoms per token"""
    fired: Bool[Tensor, "runs atoms"]
    """whether an atom was active on any token"""


class Method(BaseModel, ABC):
    """One way to learn a dictionary: frozen settings, and functions on a `State`.

    Every state has the entries `encoder`, `encoder_bias`, `decoder_bias` and `scale`, whether trained or not.
    Reading never writes: only `project` and `resample` change a state, in place, and the training loop calls them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mixes_points: ClassVar[bool]
    """whether atoms are mixtures of fixed points (archetypal)"""

    kind: str
    """the method's name in `METHODS`"""
    n_atoms: PositiveInt
    """rows of the dictionary"""
    learning_rate: PositiveFloat
    """peak rate of Adam"""
    resample_every: PositiveInt | None = None
    """steps between replacements of dead atoms by activations; None: never"""

    @property
    @abstractmethod
    def trained(self) -> tuple[str, ...]:
        """Names of the entries that Adam updates."""

    @abstractmethod
    def initialise(self, point: StartPoint, rolled_encoder: int) -> State:
        """One run at step 0, as a stack of width 1, projected."""

    @abstractmethod
    def project(self, state: State) -> None:
        """Put the constraints back, in place; after each update."""

    @abstractmethod
    def dictionary(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """The atoms, as they stand."""

    @abstractmethod
    def encode(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> Float[Tensor, "runs batch atoms"]:
        """Codes in the units of the activations, dense, non-negative; for evaluation."""

    @abstractmethod
    def gradients(
        self, state: Mapping[str, Tensor], x: Float[Tensor, "runs batch d_model"]
    ) -> tuple[dict[str, Tensor], Step]:
        """Exact gradients of the loss for the `trained` entries, and the figures of the batch.

        The next call from the same thread may write over them.
        """

    @abstractmethod
    def diagnostics(self, state: Mapping[str, Tensor]) -> dict[str, Float[Tensor, " runs"]]:
        """Named figures about the state that only this method has."""

    @abstractmethod
    def snapshot(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a reader of the run needs, in the units of the activations.

        Always `atoms`, `encoder`, `encoder_bias`, `decoder_bias`: the codes come from encoder x + encoder_bias, and
        the reconstruction is codes atoms + decoder_bias. Then whatever else the method has.
        """

    @abstractmethod
    def resample(
        self, state: State, dead: Bool[Tensor, "runs atoms"], rows: Float[Tensor, "runs atoms d_model"]
    ) -> tuple[str, ...] | None:
        """Replace dead atoms by activations, in place.

        Returns the entries whose Adam moments must be zeroed for those atoms; None when the method cannot.
        """

    def encoder(self, state: Mapping[str, Tensor]) -> Float[Tensor, "runs atoms d_model"]:
        """One encoder direction per atom."""
        return state["encoder"]
