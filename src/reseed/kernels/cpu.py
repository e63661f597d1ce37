"""The kernels for float32 on a CPU: oneDNN's product, and loops for what no tensor operation does in one pass.

Runs are taken one after the other, so that a run in a stack gives the same bits as the run alone.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from reseed._support.products import row_products
from reseed._support.scratch import scratch
from reseed.kernels import _loops, dense
from reseed.kernels._codes import Codes, GatedPass, Gradients, JumpPass, Nested, Pass
from reseed.kernels.rough import RoughEncoder, pays

__all__ = [
    "batchtopk_pass",
    "codes_pass",
    "decode",
    "encode_batchtopk",
    "encode_topk",
    "gated_pass",
    "jump_pass",
    "matryoshka_pass",
    "mix",
    "relu_pass",
    "row_gradients",
    "topk_pass",
]

_TOKENS = 256  # that are encoded at a time: enough for a fast product, few enough for the cache to keep until the top k
_GROUPS = 256  # see _loops.select: the fewer, the more there is to sort; the more, the more there is to bisect
_DENSE = 512  # tokens whose dense codes are in memory at a time
_SPARSE = 1 / 8  # of a ReLU's codes, or of mixing weights: with more that are not 0 a dense product is as fast


class _Flat(NamedTuple):
    """The codes of one run as the loops take them."""

    starts: np.ndarray
    values: np.ndarray
    indices: np.ndarray


class _Entries(NamedTuple):
    """Where each atom is active; see _loops.by_atom."""

    ends: np.ndarray
    places: np.ndarray
    tokens: np.ndarray


def encode_topk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k largest of relu(encoder x + bias) for each token; among equals the lowest index wins."""
    codes = Codes(x.new_empty(*x.shape[:2], k), torch.empty(*x.shape[:2], k, dtype=torch.int64))
    for parts in zip(x, encoder, bias, *codes, strict=True):
        _select(*parts)
    return codes


def encode_batchtopk(
    x: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    bias: Float[Tensor, "runs atoms"],
    *,
    k: int,
) -> Codes:
    """The k x batch largest of each run's relu(encoder x + bias); among equals the first token's lowest index wins."""
    runs = [_padded(_largest(*run, k)) for run in zip(x, encoder, bias, strict=True)]
    width = max(run.values.shape[1] for run in runs)
    return Codes(
        *(torch.stack([pad(each, (0, width - each.shape[1])) for each in part]) for part in zip(*runs, strict=True))
    )


def decode(codes: Codes, dictionary: Float[Tensor, "runs atoms d_model"]) -> Float[Tensor, "runs batch d_model"]:
    """The sum of each token's atoms, weighted by its codes."""
    x_hat = dictionary.new_empty(*codes.values.shape[:2], dictionary.shape[2])
    for values, indices, atoms, into in zip(*codes, dictionary, x_hat, strict=True):
        _loops.decode(*_flat(values, indices), _array(atoms), into.numpy())
    return x_hat


def row_gradients(
    codes: Codes,
    weights: Float[Tensor, "runs batch k"],
    rows: Float[Tensor, "runs batch columns"],
    *,
    n_atoms: int,
) -> Float[Tensor, "runs atoms columns"]:
    """For each atom the sum over its tokens of weight times row: the gradient of anything that has a row per atom."""
    sums = rows.new_empty(len(rows), n_atoms, rows.shape[2])
    for values, indices, weight, row, into in zip(*codes, weights, rows, sums, strict=True):
        entries = _by_atom(_flat(values, indices), n_atoms)
        _loops.row_sums(*entries, _array(weight).reshape(-1), _array(row), 1.0, into.numpy())
    return sums


def topk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The largest k codes z of u, what they leave, and the gradients of mean((x_hat - u)^2) + penalty sum(z)."""
    return codes_pass(encode_topk(u, encoder, encoder_bias, k=k), u, encoder, dictionary, penalty=penalty)


def codes_pass(
    codes: Codes,
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    dictionary: Float[Tensor, "runs atoms d_target"],
    *,
    penalty: float = 0.0,
    target: Float[Tensor, "runs batch d_target"] | None = None,
) -> Pass:
    """What codes of any choice of atoms leave of u, or a target, and the gradients of mean(left^2) + penalty sum(z)."""
    flat = [_flat(*parts) for parts in zip(*codes, strict=True)]
    targets = [None] * len(u) if target is None else target
    runs = zip(flat, u, encoder, dictionary, targets, strict=True)
    return _joined([_pass(*run, penalty=penalty) for run in runs])


def batchtopk_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    penalty: float = 0.0,
) -> Pass:
    """The k x batch largest codes z of u, what they leave, and the gradients as of `topk_pass`."""
    passes = []
    for rows, directions, bias, atoms in zip(u, encoder, encoder_bias, dictionary, strict=True):
        flat = _largest(rows, directions, bias, k)
        passes.append(_pass(flat, rows, directions, atoms, penalty=penalty)._replace(least=_least(flat)))
    return _joined(passes)


def matryoshka_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    k: int,
    nested: Nested,
    penalty: float = 0.0,
) -> Pass:
    """The same codes, and the gradients of the nested dictionaries' weighted errors + penalty sum(z)."""
    passes = []
    for rows, directions, bias, atoms in zip(u, encoder, encoder_bias, dictionary, strict=True):
        flat = _largest(rows, directions, bias, k)
        passes.append(_nested_pass(flat, rows, directions, atoms, nested=nested, penalty=penalty))
    return _joined(passes)


def relu_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    penalty: float,
) -> Pass:
    """Codes z of u, what their reconstruction leaves, and the gradients of mean((x_hat - u)^2) + penalty sum(z).

    Each run takes the way that suits its codes: through the active ones only, or dense.
    """
    return _joined([_relu_pass(*run, penalty) for run in zip(u, encoder, encoder_bias, dictionary, strict=True)])


def jump_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    encoder_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    threshold: Float[Tensor, "runs atoms"],
    bandwidth: float,
) -> JumpPass:
    """Codes z of u above their thresholds, what they leave, the gradients of mean((x_hat - u)^2), and the bands.

    Each run takes the way that suits its codes, as above.
    """
    runs = zip(u, encoder, encoder_bias, dictionary, threshold, strict=True)
    passes, *others = zip(
        *(_jump_pass(*run, threshold=edges, bandwidth=bandwidth) for *run, edges in runs), strict=True
    )
    return JumpPass(_joined(list(passes)), *(torch.cat(other) for other in others))


def gated_pass(
    u: Float[Tensor, "runs batch d_model"],
    encoder: Float[Tensor, "runs atoms d_model"],
    gate_bias: Float[Tensor, "runs atoms"],
    dictionary: Float[Tensor, "runs atoms d_model"],
    *,
    log_gain: Float[Tensor, "runs atoms"],
    magnitude_bias: Float[Tensor, "runs atoms"],
    penalty: float,
    teach_decoder: bool = False,
) -> GatedPass:
    """Codes and open gates of u, what both leave, and the gradients for what decides them: see `dense.gated_pass`.

    Each run takes the way that suits its gates, as above.
    """
    loss = {"penalty": penalty, "teach_decoder": teach_decoder}
    runs = zip(u, encoder, gate_bias, dictionary, log_gain, magnitude_bias, strict=True)
    passes, *others = zip(
        *(_gated_pass(*run, log_gain=gain, magnitude_bias=bias, **loss) for *run, gain, bias in runs), strict=True
    )
    return GatedPass(_joined(list(passes)), *(torch.cat(other) for other in others))


def mix(
    weights: Float[Tensor, "runs atoms points"], points: Float[Tensor, "runs points d_model"]
) -> Float[Tensor, "runs atoms d_model"]:
    """The weighted sums of points, through the positive weights only where those are few; weights are not negative."""
    return torch.stack([_mix(*run) for run in zip(weights, points, strict=True)])


def _mix(
    weights: Float[Tensor, "atoms points"], points: Float[Tensor, "points d_model"]
) -> Float[Tensor, "atoms d_model"]:
    flat = _empty_codes(*weights.shape, like=weights)
    if not _loops.positives(_array(weights), *flat):
        return row_products(weights, points.T)
    mixtures = points.new_empty(len(weights), points.shape[1])
    _loops.decode(*flat, _array(points), mixtures.numpy())
    return mixtures


def _nested_pass(
    flat: _Flat,
    u: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    dictionary: Float[Tensor, "atoms d_model"],
    *,
    nested: Nested,
    penalty: float,
) -> Pass:
    """From one run's codes to its gradients, with a residual for each group of atoms."""
    rows, atoms, ends = _array(u), _array(dictionary), np.array(nested.ends)
    residuals = scratch("residuals", len(ends), *u.shape, like=u).numpy()
    residual, for_values = torch.empty(u.shape), np.empty(flat.starts[-1], np.float32)
    found = (residuals, residual.numpy(), for_values)
    error = _loops.nested_residuals(flat, atoms, rows, ends, np.array(nested.weights), penalty, *found)
    entries = _by_atom(flat, len(atoms))
    for_dictionary = torch.empty(atoms.shape)
    for start, end, seen in zip((0, *nested.ends), nested.ends, residuals, strict=False):
        of_group = (entries.ends[start : end + 1], entries.places, entries.tokens)
        _loops.row_sums(*of_group, flat.values, seen, 1.0, for_dictionary[start:end].numpy())
    for_shift = torch.from_numpy(residuals[0]).sum(0)
    gradients = Gradients(for_dictionary, *_encoder_gradients(entries, for_values, rows, encoder, for_shift))
    passed = _passed(flat, entries, residual, gradients)
    return passed._replace(least=_least(flat), error=torch.tensor([error], dtype=torch.float32))


def _relu_pass(
    u: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    bias: Float[Tensor, " atoms"],
    dictionary: Float[Tensor, "atoms d_model"],
    penalty: float,
) -> Pass:
    flat = _positives(u, encoder, bias)
    if flat is not None:
        return _pass(flat, u, encoder, dictionary, penalty=penalty)
    weights = _stacked(encoder, bias, dictionary)
    return _whole([dense.relu_pass(x, *weights, penalty=penalty, batch=len(u)) for x in _parts(u)])


def _jump_pass(
    u: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    bias: Float[Tensor, " atoms"],
    dictionary: Float[Tensor, "atoms d_model"],
    *,
    threshold: Float[Tensor, " atoms"],
    bandwidth: float,
) -> JumpPass:
    flat = _above(u, encoder, bias, threshold - bandwidth / 2)
    if flat is None:
        weights, edges = _stacked(encoder, bias, dictionary), threshold.unsqueeze(0)
        parts = [dense.jump_pass(x, *weights, threshold=edges, bandwidth=bandwidth, batch=len(u)) for x in _parts(u)]
        passes, *sums = zip(*parts, strict=True)
        return JumpPass(_whole(passes), *(_total(each) for each in sums))
    band = _Band(np.empty(len(flat.starts), np.int64), np.empty(flat.starts[-1], np.int64))
    counts = np.empty((2, len(encoder)), np.int64)
    _loops.jumps(*flat, _array(threshold), _array(threshold + bandwidth / 2), *band, counts)
    passed = _pass(flat, u, encoder, dictionary, penalty=0.0)
    pull = torch.empty(1, len(encoder))
    _loops.band_sums(*band, _array(dictionary), passed.residual[0].numpy(), 2 / u.numel(), pull[0].numpy())
    return JumpPass(passed, pull, *torch.from_numpy(counts).unsqueeze(1))


class _Band(NamedTuple):
    """The atoms of each token that are near to their thresholds."""

    starts: np.ndarray
    indices: np.ndarray


def _gated_pass(
    u: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    gate_bias: Float[Tensor, " atoms"],
    dictionary: Float[Tensor, "atoms d_model"],
    *,
    log_gain: Float[Tensor, " atoms"],
    magnitude_bias: Float[Tensor, " atoms"],
    penalty: float,
    teach_decoder: bool,
) -> GatedPass:
    flat = _positives(u, encoder, gate_bias)
    if flat is None:
        *weights, gains, biases = _stacked(encoder, gate_bias, dictionary, log_gain, magnitude_bias)
        behind = {"log_gain": gains, "magnitude_bias": biases, "teach_decoder": teach_decoder}
        parts = [dense.gated_pass(x, *weights, **behind, penalty=penalty, batch=len(u)) for x in _parts(u)]
        passes, gate_residuals, *sums = zip(*parts, strict=True)
        return GatedPass(_whole(passes), torch.cat(gate_residuals, dim=1), *(_total(each) for each in sums))
    # a gate and its code share a place, so that one list of places by atom serves both
    gates = flat._replace(values=flat.values[: flat.starts[-1]], indices=flat.indices[: flat.starts[-1]])
    gain, bias = _array(log_gain.exp())[gates.indices], _array(magnitude_bias)[gates.indices]
    linear = gates.values - _array(gate_bias)[gates.indices]
    codes = gates._replace(values=np.maximum(gain * linear + bias, np.float32(0)))
    residual, for_codes = _residual(codes, u, dictionary, penalty=0.0)
    gate_residual, for_gates = _residual(gates, u, dictionary, penalty=penalty)
    entries, factor = _by_atom(gates, len(dictionary)), 2 / u.numel()
    for_linear = for_codes * gain + for_gates
    gradients = Gradients(
        dictionary=_row_sums(entries, codes.values, residual[0], factor),
        encoder=_row_sums(entries, for_linear, u, 1.0),
        encoder_bias=_weight_sums(entries, for_gates),
        decoder_bias=residual.sum(1) * factor - _weight_sums(entries, for_linear) @ encoder,
    )
    if teach_decoder:
        gradients.dictionary.add_(_row_sums(entries, gates.values, gate_residual[0], factor))
        gradients.decoder_bias.add_(gate_residual.sum(1), alpha=factor)
    return GatedPass(
        _passed_gates(codes, residual, gradients),
        gate_residual,
        gate_sum=torch.from_numpy(gates.values).sum().unsqueeze(0),
        log_gain=_weight_sums(entries, for_codes * linear * gain),
        magnitude_bias=_weight_sums(entries, for_codes),
    )


def _residual(
    codes: _Flat, u: Float[Tensor, "batch d_model"], dictionary: Float[Tensor, "atoms d_model"], *, penalty: float
) -> tuple[Float[Tensor, "1 batch d_model"], np.ndarray]:
    """What codes leave, and the gradients for them."""
    residual, for_codes = torch.empty(1, *u.shape), np.empty(codes.starts[-1], np.float32)
    arrays = (_array(dictionary), _array(u), 2 / u.numel(), penalty, residual[0].numpy(), for_codes)
    _loops.residuals(*codes, *arrays)
    return residual, for_codes


def _row_sums(
    entries: _Entries, weights: np.ndarray, rows: Float[Tensor, "batch columns"], factor: float
) -> Float[Tensor, "1 atoms columns"]:
    sums = torch.empty(1, len(entries.ends) - 1, rows.shape[1])
    _loops.row_sums(*entries, weights, _array(rows), factor, sums[0].numpy())
    return sums


def _weight_sums(entries: _Entries, weights: np.ndarray) -> Float[Tensor, "1 atoms"]:
    sums = torch.empty(1, len(entries.ends) - 1)
    _loops.weight_sums(entries.ends, entries.places, weights, sums[0].numpy())
    return sums


def _passed_gates(codes: _Flat, residual: Float[Tensor, "1 batch d_model"], gradients: Gradients) -> Pass:
    """The pass of one run from codes of which some are 0."""
    active = codes.values != 0
    fired = np.zeros(gradients.encoder_bias.shape, np.bool_)
    fired[0, codes.indices[active]] = True
    code_sum = torch.from_numpy(codes.values).sum().unsqueeze(0)
    return Pass(residual, torch.tensor([np.count_nonzero(active)]), code_sum, torch.from_numpy(fired), gradients)


def _parts(u: Float[Tensor, "batch d_model"]) -> tuple[Float[Tensor, "1 part d_model"], ...]:
    """Of a batch that is taken dense after all: no codes of all of it are ever in memory."""
    return u.unsqueeze(0).split(_DENSE, dim=1)


def _stacked(*run: Tensor) -> list[Tensor]:
    """A run's weights as a stack of width 1."""
    return [part.unsqueeze(0) for part in run]


def _whole(parts: Sequence[Pass]) -> Pass:
    """The pass of a batch from those of its parts."""
    return Pass(
        residual=torch.cat([part.residual for part in parts], dim=1),
        n_active=_total(part.n_active for part in parts),
        code_sum=_total(part.code_sum for part in parts),
        fired=torch.stack([part.fired for part in parts]).any(0),
        gradients=Gradients(*(_total(gradient) for gradient in zip(*(part.gradients for part in parts), strict=True))),
    )


def _total(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0)


def _select(
    x: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    bias: Float[Tensor, " atoms"],
    values: Float[Tensor, "batch k"],
    indices: Int[Tensor, "batch k"],
) -> None:
    """Write the codes of the k strongest atoms of each token."""
    n_atoms = len(encoder)
    maxima = np.empty(min(n_atoms, max(_GROUPS, values.shape[1])), np.int32)
    keys = np.empty(n_atoms + 1, np.int64)  # one more than can count: the loop writes before it counts
    rough = RoughEncoder(encoder, bias) if pays(encoder, tokens=len(x)) else None
    for rows, value, index in zip(x.split(_TOKENS), values.split(_TOKENS), indices.split(_TOKENS), strict=True):
        if rough is None or not rough.select(rows, value, index, (maxima, keys)):
            activations = row_products(rows, encoder, bias=bias)
            _loops.select(_bits(activations), _bits(value), index.numpy(), maxima, keys)


def _largest(
    x: Float[Tensor, "batch d_model"], encoder: Float[Tensor, "atoms d_model"], bias: Float[Tensor, " atoms"], k: int
) -> _Flat:
    """The k x batch largest positive codes of one run, in the order of tokens and of their atoms.

    Codes above a bound are listed; whenever the list is full, so many of its largest are left, and that is the bound.
    """
    wanted, n_atoms = k * len(x), len(encoder)
    room = 2 * wanted + n_atoms + 1
    values = scratch("largest", room, like=x, dtype=torch.int32).numpy()
    places = scratch("places", room, like=x, dtype=torch.int64).numpy()
    count, least = 0, 1
    for start, rows in zip(range(0, len(x), _TOKENS), x.split(_TOKENS), strict=True):
        activations, done = _bits(row_products(rows, encoder, bias=bias)), 0
        while True:
            done, count = _loops.at_least(activations, done, start, least, count, values, places)
            if done == len(rows):
                break
            count, least = _keep(values[:count], places[:count], wanted)
    count, _ = _keep(values[:count], places[:count], wanted)
    starts = np.empty(len(x) + 1, np.int64)
    _loops.unpack(places[:count], n_atoms, starts)
    return _Flat(starts, values[:count].view(np.float32), places[:count])


def _keep(values: np.ndarray, places: np.ndarray, wanted: int) -> tuple[int, int]:
    """Leave the wanted largest of a list, in place; how many they are, and what others have to reach from here on."""
    if len(values) <= wanted:
        return len(values), 1
    bound = np.partition(values, len(values) - wanted)[len(values) - wanted]
    equal = wanted - int(np.count_nonzero(values > bound))
    return _loops.keep(values, places, bound, equal), int(bound) + 1  # later ones that are equal come too late


def _least(flat: _Flat) -> Float[Tensor, " one"]:
    return torch.tensor([flat.values.min() if len(flat.values) else 0.0])


def _padded(flat: _Flat) -> Codes:
    """As many places for each token as the longest has."""
    counts = np.diff(flat.starts)
    tokens = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(tokens)) - flat.starts[tokens]
    codes = Codes(torch.zeros(len(counts), counts.max()), torch.zeros(len(counts), counts.max(), dtype=torch.int64))
    for part, given in zip(codes, flat[1:], strict=True):
        part.numpy()[tokens, places] = given
    return codes


def _positives(
    x: Float[Tensor, "batch d_model"], encoder: Float[Tensor, "atoms d_model"], bias: Float[Tensor, " atoms"]
) -> _Flat | None:
    """The positive codes; None where they are too many to be worth a list."""
    return _above(x, encoder, bias, torch.zeros_like(bias))


def _above(
    x: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    bias: Float[Tensor, " atoms"],
    lower: Float[Tensor, " atoms"],
) -> _Flat | None:
    """The activations above a bound of each atom; None where they are too many to be worth a list."""
    flat, bounds = _empty_codes(len(x), len(encoder), like=x), _array(lower)
    for start, rows in zip(range(0, len(x), _TOKENS), x.split(_TOKENS), strict=True):
        activations = row_products(rows, encoder, bias=bias)
        starts = flat.starts[start : start + len(rows) + 1]
        if not _loops.beyond(activations.numpy(), bounds, starts, flat.values, flat.indices):
            return None
    return flat


def _empty_codes(rows: int, columns: int, *, like: Tensor) -> _Flat:
    """Empty codes for as many places as are worth a list."""
    places = int(_SPARSE * rows * columns) + columns  # a row more, which is written before it is counted
    values, indices = scratch("values", places, like=like), scratch("indices", places, like=like, dtype=torch.int64)
    return _Flat(np.zeros(rows + 1, np.int64), values.numpy(), indices.numpy())


def _pass(
    flat: _Flat,
    u: Float[Tensor, "batch d_model"],
    encoder: Float[Tensor, "atoms d_model"],
    dictionary: Float[Tensor, "atoms d_target"],
    target: Float[Tensor, "batch d_target"] | None = None,
    *,
    penalty: float,
) -> Pass:
    """From one run's codes to its gradients."""
    rows, atoms, wanted = _array(u), _array(dictionary), u if target is None else target
    residual, for_values = torch.empty(wanted.shape), np.empty(flat.starts[-1], np.float32)
    factor = 2 / wanted.numel()
    _loops.residuals(*flat, atoms, _array(wanted), factor, penalty, residual.numpy(), for_values)
    entries, for_dictionary = _by_atom(flat, len(atoms)), torch.empty(atoms.shape)
    _loops.row_sums(*entries, flat.values, residual.numpy(), factor, for_dictionary.numpy())
    # u = x - b_dec: the bias reaches the residual as it is, unless that is of a target
    for_shift = torch.zeros(u.shape[1]) if target is not None else residual.sum(0) * factor
    gradients = Gradients(for_dictionary, *_encoder_gradients(entries, for_values, rows, encoder, for_shift))
    return _passed(flat, entries, residual, gradients)


def _encoder_gradients(
    entries: "_Entries",
    for_values: np.ndarray,
    rows: np.ndarray,
    encoder: Float[Tensor, "atoms d_model"],
    for_shift: Float[Tensor, " d_model"],
) -> tuple[Tensor, Tensor, Tensor]:
    """For encoder, its bias and the decoder's, from those for each code and for what all tokens share."""
    for_encoder, for_bias = torch.empty(encoder.shape), torch.empty(len(encoder))
    _loops.row_sums(*entries, for_values, rows, 1.0, for_encoder.numpy())
    _loops.weight_sums(entries.ends, entries.places, for_values, for_bias.numpy())
    # the codes through the encoder, with a minus
    return for_encoder, for_bias, for_shift - for_bias @ encoder


def _passed(flat: _Flat, entries: "_Entries", residual: Float[Tensor, "batch d_model"], gradients: Gradients) -> Pass:
    """One run's pass, as a stack of width 1."""
    values = torch.from_numpy(flat.values[: flat.starts[-1]])
    return Pass(
        residual=residual.unsqueeze(0),
        n_active=torch.tensor([entries.ends[-1]]),
        code_sum=values.sum().unsqueeze(0),
        fired=torch.from_numpy(np.diff(entries.ends) > 0).unsqueeze(0),
        gradients=Gradients(*(part.unsqueeze(0) for part in gradients)),
    )


def _joined(runs: list[Pass]) -> Pass:
    """The passes of single runs as that of a stack."""
    if len(runs) == 1:
        return runs[0]
    gradients = Gradients(*(torch.cat(part) for part in zip(*(run.gradients for run in runs), strict=True)))
    residual, n_active, code_sum, fired = (torch.cat(part) for part in zip(*(run[:4] for run in runs), strict=True))
    leasts, errors = (
        [part for part in each if part is not None] for each in zip(*(run[5:] for run in runs), strict=True)
    )
    least, error = (torch.cat(parts) if parts else None for parts in (leasts, errors))
    return Pass(residual, n_active, code_sum, fired, gradients, least, error)


def _by_atom(flat: _Flat, n_atoms: int) -> _Entries:
    n_places = int(flat.starts[-1])
    entries = _Entries(np.empty(n_atoms + 1, np.int64), np.empty(n_places, np.int64), np.empty(n_places, np.int64))
    _loops.by_atom(*flat, *entries)
    return entries


def _flat(values: Float[Tensor, "batch k"], indices: Int[Tensor, "batch k"]) -> _Flat:
    tokens, k = values.shape
    return _Flat(np.arange(tokens + 1) * k, _array(values).reshape(-1), _array(indices).reshape(-1))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.contiguous().numpy()


def _bits(values: Float[Tensor, "rows columns"]) -> np.ndarray:
    return values.view(torch.int32).numpy()
