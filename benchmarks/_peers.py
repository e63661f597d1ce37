"""The peers' contenders: each library's own model, loss, optimiser and training step, at its fastest exact setting.

Every peer trains in float32 with Adam at a constant rate. What a library does beyond an update and can be told not to
do (logging, progress bars, checkpoints) is switched off; whatever its training step always does is measured.
"""

import contextlib
import importlib
import io
import itertools
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from _contenders import BANDWIDTH, L1, PRICE, THRESHOLD, Family, Task, shut
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Dataset

__all__ = ["DictionaryLearning", "Overcomplete", "SAELens", "Sparsify"]

STAND_INS = {
    "overcomplete": {"PIL": "reading pictures", "sklearn": "classical matrix factorisations"},
    "dictionary_learning": {
        "nnsight": "collecting activations from language models",
        "zstandard": "reading compressed texts",
    },
}
"""For each peer the packages that it imports and its training needs nothing from, with what they are for there."""

ROLLED = 0
SEQUENCE = 128
"""Tokens per sequence, where a peer counts batches in sequences."""


class _Empty(ModuleType):
    """A package that is imported in vain; whatever is taken from it is a bare class."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class _StandIns(MetaPathFinder, Loader):
    """Finds an empty package under each of some names; asked last, so that what is installed is used."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in self.names else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""


def _imported(name: str) -> Any:  # noqa: ANN401 (other people's modules)
    """A peer's module; stand-ins are there for its import only, since others ask what is installed."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    finder = _StandIns(STAND_INS.get(name.partition(".")[0], ()))
    sys.meta_path.append(finder)
    try:
        with _quiet():
            return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for module in [module for module, found in sys.modules.items() if isinstance(found, _Empty)]:
            del sys.modules[module]


def _skip_init(package: str) -> None:
    """Let a package's modules be imported without its __init__, which loads vision models and draws colour maps."""
    if package not in sys.modules:
        module = ModuleType(package)
        module.__path__ = list(find_spec(package).submodule_search_locations)
        sys.modules[package] = module


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a peer prints and warns of out of the table."""
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Overcomplete:
    """`train_sae` of overcomplete on its TopK, BatchTopK, Mp, RATopK, Jump or RAJump model, without monitoring.

    Its JumpSAE has no penalty of its own: here it is the square distance of active atoms from k, by its `heaviside`.
    """

    def __init__(self, task: Task, family: Family, *, auxiliary: bool = False) -> None:
        _skip_init("overcomplete")
        sae, losses = _imported("overcomplete.sae"), _imported("overcomplete.sae.losses")
        torch.manual_seed(ROLLED)
        where = {"device": str(task.rows.device)}
        if family == "topk":
            self.model = sae.TopKSAE(task.d_model, task.n_atoms, top_k=task.k, **where)
        elif family == "batchtopk":
            self.model = sae.BatchTopKSAE(task.d_model, task.n_atoms, top_k=task.k * task.batch_size, **where)
        elif family == "mp":
            self.model = sae.MpSAE(task.d_model, task.n_atoms, k=task.k, **where)
        elif family == "ra-topk":
            self.model = sae.RATopKSAE(task.d_model, task.n_atoms, task.points, top_k=task.k, **where)
        else:
            self.model = _jump_model(sae, task, family)
        self.criterion = losses.top_k_auxiliary_loss if auxiliary else _mean_squared_error
        if family in {"jumprelu", "ra-jumprelu"}:
            self.criterion = partial(_with_target, model=self.model, heaviside=sae.jump_sae.heaviside, k=task.k)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=task.learning_rate[family])
        self.train_sae = sae.train_sae

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One epoch over the batches."""
        where = str(batches.device)
        self.train_sae(self.model, batches, self.criterion, self.optimiser, nb_epochs=1, monitoring=0, device=where)

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """The third of what the model returns."""
        return self.model.eval()(x)[2]


def _some(task: Task) -> Float[Tensor, "batch d_model"]:
    """As many rows as there are in a batch."""
    return task.rows[: task.batch_size]


def _mean_squared_error(x: Tensor, x_hat: Tensor, pre_codes: Tensor, codes: Tensor, dictionary: Tensor) -> Tensor:
    del pre_codes, codes, dictionary
    return (x - x_hat).square().mean()


def _jump_model(sae: Any, task: Task, family: Family) -> nn.Module:  # noqa: ANN401 (other people's modules)
    where = {"device": str(task.rows.device), "kernel": "rectangle", "bandwidth": _in_norms(BANDWIDTH, task)}
    points = (task.points,) if family == "ra-jumprelu" else ()
    make = sae.RAJumpSAE if points else sae.JumpSAE
    model = make(task.d_model, task.n_atoms, *points, **where)
    model.thresholds.data.fill_(math.log(_in_norms(THRESHOLD, task)))
    return model


def _in_norms(amount: float, task: Task) -> float:
    """What is said in deviations per dimension, in the unit of the rows: their distance to the mean."""
    return amount / math.sqrt(task.d_model)


def _with_target(
    x: Tensor,
    x_hat: Tensor,
    pre_codes: Tensor,
    codes: Tensor,
    dictionary: Tensor,
    *,
    model: Any,  # noqa: ANN401 (theirs)
    heaviside: Callable[..., Tensor],
    k: int,
) -> Tensor:
    del codes, dictionary
    active = heaviside(pre_codes, model.thresholds.exp(), model.kernel_fn, model.bandwidth).sum(-1).mean()
    # the rows have a mean square of 1 / d_model per entry, and so has this penalty
    return (x - x_hat).square().mean() + PRICE * k * (active / k - 1).square() / x.shape[1] ** 2


GROUPS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 17 / 32)
"""Shares of the atoms in the groups of a Matryoshka dictionary, those of its authors."""


class DictionaryLearning:
    """`update` of a trainer of dictionary_learning, which is what its `trainSAE` calls for every batch."""

    def __init__(self, task: Task, family: Family = "topk") -> None:
        price = PRICE * task.k / task.d_model
        of_jumps = {"bandwidth": _in_norms(BANDWIDTH, task), "target_l0": float(task.k), "sparsity_penalty": price}
        of_batches = {"k": task.k, "threshold_start_step": 0}
        module, name, more = {
            "topk": ("top_k", "TopKTrainer", {"k": task.k}),
            "batchtopk": ("batch_top_k", "BatchTopKTrainer", of_batches),
            "matryoshka": (
                "matryoshka_batch_top_k",
                "MatryoshkaBatchTopKTrainer",
                {**of_batches, "group_fractions": list(GROUPS)},
            ),
            "jumprelu": ("jumprelu", "JumpReluTrainer", {"sparsity_warmup_steps": None, **of_jumps}),
            "gated": ("gdm", "GatedSAETrainer", {"sparsity_warmup_steps": None, "l1_penalty": L1}),
        }[family]
        self.trainer = getattr(_imported(f"dictionary_learning.trainers.{module}"), name)(
            steps=task.steps,
            activation_dim=task.d_model,
            dict_size=task.n_atoms,
            layer=0,
            lm_name="",
            lr=task.learning_rate[family],
            warmup_steps=0,
            seed=ROLLED,
            device=str(task.rows.device),
            **more,
        )
        if family == "jumprelu":
            self.trainer.ae.threshold.data.fill_(_in_norms(THRESHOLD, task))
        elif family == "gated":
            ae = self.trainer.ae
            ae.gate_bias.data.sub_(shut(ae.encoder(_some(task) - ae.decoder_bias)))
        self.step = 0

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One `update` per batch."""
        for x in batches:
            self.trainer.update(self.step, x)
            self.step += 1

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """The autoencoder's forward."""
        return self.trainer.ae(x)


class SAELens:
    """`SAETrainer.step` of SAELens on its training SAEs, which is what its `fit` calls for every batch.

    Its sparse activations, of TopK, need the rescaling by the decoder's norms off: sparse products have no gradient for
    that.
    """

    def __init__(self, task: Task, family: Family = "topk", *, sparse: bool = False) -> None:
        jumps = {
            "jumprelu_init_threshold": _in_norms(THRESHOLD, task),
            "jumprelu_bandwidth": _in_norms(BANDWIDTH, task),
            "jumprelu_sparsity_loss_mode": "quadratic",
            "target_l0": float(task.k),
            "l0_coefficient": PRICE / (2 * task.d_model),
        }
        of_topk = {"k": task.k, "use_sparse_activations": sparse, "rescale_acts_by_decoder_norm": not sparse}
        nested = {"k": task.k, "matryoshka_widths": _ends(task.n_atoms)}
        ends = {"residual_threshold": 0.0, "stop_on_duplicate_support": False}
        rounds = {"max_iterations": task.k, "decoder_init_norm": 1.0, **ends}
        module, name, more = {
            "topk": ("topk", "TopK", of_topk),
            "batchtopk": ("batchtopk", "BatchTopK", {"k": task.k}),
            "matryoshka": ("matryoshka_batchtopk", "MatryoshkaBatchTopK", nested),
            "jumprelu": ("jumprelu", "JumpReLU", jumps),
            "gated": ("gated", "Gated", {"l1_coefficient": L1}),
            "mp": ("matching_pursuit", "MatchingPursuit", rounds),
        }[family]
        sae, config = _imported(f"sae_lens.saes.{module}_sae"), _imported("sae_lens.config")
        torch.manual_seed(ROLLED)
        settings = getattr(sae, f"{name}TrainingSAEConfig")(d_in=task.d_model, d_sae=task.n_atoms, **more)
        self.trainer = _imported("sae_lens.training.sae_trainer").SAETrainer(
            config.SAETrainerConfig(
                total_training_samples=task.steps * task.batch_size,
                train_batch_size_samples=task.batch_size,
                lr=task.learning_rate[family],
                lr_end=task.learning_rate[family],
            ),
            getattr(sae, f"{name}TrainingSAE")(settings),
            data_provider=iter(()),
        )
        self.above = family in {"batchtopk", "matryoshka"}
        if family == "gated":
            own = self.trainer.sae
            own.b_gate.data.sub_(shut(own.process_sae_in(_some(task)) @ own.W_enc))

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One `step` per batch."""
        with _quiet():
            for x in batches:
                self.trainer.step(x)
                self.trainer.n_training_steps += 1

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """The autoencoder's forward; with the threshold that it is saved with, where a batch decides in training."""
        sae = self.trainer.sae
        if not self.above:
            return sae(x)
        codes, pre = sae.encode_with_hidden_pre(x)
        del codes
        return sae.decode(pre.relu() * (pre > sae.topk_threshold))


def _ends(n_atoms: int) -> list[int]:
    """Where the groups of a Matryoshka dictionary end."""
    sizes = [int(share * n_atoms) for share in GROUPS[:-1]]
    return [*itertools.accumulate(sizes), n_atoms]


class Sparsify:
    """`Trainer.fit` of sparsify, on a model whose activation at token number i is row i of the batches.

    Adam in place of its own default, a signed momentum, so that all contenders follow the same rule; constant rate; no
    checkpoints, of which it would write one at the end of each call. A transcoder reads the first half of a row.
    """

    def __init__(self, task: Task, family: Family = "topk") -> None:
        sparsify = _imported("sparsify")
        transcode = family == "transcoder"
        self.model, self.hook = _Halves() if transcode else _Rows(), "written" if transcode else "rows"
        self.model.hold(task.rows[: task.batch_size])
        config = sparsify.TrainConfig(
            sae=sparsify.SparseCoderConfig(num_latents=task.n_atoms, k=task.k, transcode=transcode),
            batch_size=task.batch_size // SEQUENCE,
            optimizer="adam",
            lr=task.learning_rate[family],
            lr_warmup_steps=0,
            hookpoints=[self.hook],
            init_seeds=[ROLLED],
            log_to_wandb=False,
        )
        with _quiet():
            self.trainer = sparsify.Trainer(config, _Sequences(task.batch_size), self.model)
        self.trainer.lr_schedulers = []
        self.trainer.save = lambda: None

    def train(self, batches: Float[Tensor, "steps batch d_model"]) -> None:
        """One `fit`, from where the last one ended."""
        before = torch.get_float32_matmul_precision()
        self.model.hold(batches.flatten(0, 1))
        self.trainer.dataset = _Sequences(len(self.model.rows.weight))
        with _quiet():
            self.trainer.fit()
        torch.set_float32_matmul_precision(before)  # `fit` sets it for the whole process

    def reconstruct(self, x: Float[Tensor, "tokens d_model"]) -> Float[Tensor, "tokens d_model"]:
        """The first thing that the coder returns, for what it reads of the rows."""
        read = x.chunk(2, dim=1)[0] if self.hook == "written" else x
        return self.trainer.saes[self.hook](read).sae_out


class _Rows(nn.Module):
    """As much of a language model as sparsify asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.dummy_inputs = {"input_ids": torch.zeros(1, 1, dtype=torch.int64)}

    def hold(self, rows: Float[Tensor, "tokens d_model"]) -> None:
        """The activations, by token number."""
        self.rows = nn.Embedding.from_pretrained(rows)
        self.device = rows.device

    @property
    def base_model(self) -> "_Rows":
        """Where sparsify looks for the modules that it hooks."""
        return self

    def forward(self, input_ids: Tensor) -> Tensor:
        """The activations at some token numbers."""
        return self.rows(input_ids)


class _Halves(_Rows):
    """One whose module `written` reads the first half of each row, and writes the second."""

    def __init__(self) -> None:
        super().__init__()
        self.written = _Second()

    def forward(self, input_ids: Tensor) -> Tensor:
        """The second halves of the activations at some token numbers."""
        return self.written(*self.rows(input_ids).chunk(2, dim=-1))


class _Second(nn.Module):
    """Its second input; hooks see the first one, and this."""

    def forward(self, read: Tensor, written: Tensor) -> Tensor:
        """What is written."""
        del read
        return written


class _Sequences(Dataset):
    """The token numbers 0, 1, 2, ... in sequences."""

    def __init__(self, n_tokens: int) -> None:
        self.ids = torch.arange(n_tokens).unflatten(0, (-1, SEQUENCE))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[number]}

    def select(self, numbers: range) -> "_Sequences":
        """All of them: a trainer that goes on passes over what it has read, and these are new."""
        del numbers
        return self
