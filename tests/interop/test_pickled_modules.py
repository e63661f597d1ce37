"""Whole modules of overcomplete: read as the library reads them, without it, and nothing in a file runs.

Those that the library trained and wrote are in pickled/, by benchmarks/peers/fixtures.py --kinds modules. Others are
planted: real modules of torch in classes that are called like overcomplete's.
"""

import builtins
import contextlib
import io
import os
import re
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import reseed
from reseed._support.modules import load, names_in
from reseed.errors import DictionaryError
from reseed.interop import read
from reseed.interop.codes import Thresholded

PICKLED = Path(__file__).parent / "pickled"
WRITTEN = Path(__file__).parent / "written"
CODES = {name: torch.from_numpy(codes) for name, codes in np.load(PICKLED / "codes.npz").items()}
TOKENS = torch.from_numpy(np.load(WRITTEN / "codes.npz")["tokens"])
TIE = 1e-5  # relative to the largest code
N_ATOMS, D_MODEL, K = 7, 5, 3
X = 2 * torch.randn(50, D_MODEL, generator=torch.Generator().manual_seed(0)) + 1


@pytest.mark.parametrize("name", CODES)
def test_codes_of_a_thousand_tokens_are_those_of_the_library(name):
    found, expected = read(PICKLED / name / "model.pt"), CODES[name]
    assert len(expected) == 1000
    codes = found.encode(TOKENS)
    assert ((codes != 0) == (expected != 0)).all()
    assert (codes - expected).abs().max() <= TIE * expected.abs().max()


@pytest.mark.parametrize("name", CODES)
def test_atoms_are_those_that_the_library_decodes_with(name):
    found = read(PICKLED / name / "model.pt")
    torch.testing.assert_close(found.atoms, torch.from_numpy(np.load(PICKLED / name / "atoms.npy")))
    assert found.format == "overcomplete"
    assert found.notes == ()
    assert list(found.sums) == ["model.pt"]


def test_what_a_module_knows_is_not_asked_for_and_another_is_refused():
    ra, batch = PICKLED / "overcomplete-ra-topk/model.pt", PICKLED / "overcomplete-batchtopk/model.pt"
    assert read(ra).rule.title == "TopK, k = 5"
    assert read(ra).about == {"class": "RATopKSAE"}
    assert read(batch).rule.title == "BatchTopK after a layer norm"
    assert torch.equal(read(ra, k=5, delta=0.5).atoms, read(ra).atoms)
    with pytest.raises(DictionaryError, match=r"is a whole module and has k = 5, and 4 was given: leave out k$"):
        read(ra, k=4)
    with pytest.raises(DictionaryError, match=r"has delta = 0\.5, and 1\.0 was given: leave out delta$"):
        read(ra, delta=1.0)
    with pytest.raises(DictionaryError, match=r"has no delta, and 0\.5 was given: leave out delta$"):
        read(batch, delta=0.5)


def test_nothing_of_the_library_is_imported():
    read(PICKLED / "overcomplete-topk/model.pt")
    assert not any(name.partition(".")[0] == "overcomplete" for name in sys.modules)


def test_modules_are_compared_as_any_dictionaries(tmp_path):
    given = [PICKLED / name / "model.pt" for name in ("overcomplete-topk", "overcomplete-batchtopk")]
    np.save(tmp_path / "tokens.npy", TOKENS.repeat(3, 1).numpy() + 1e-3 * np.arange(24, dtype=np.float32))
    found = reseed.compare(*given, activations=tmp_path / "tokens.npy", groups=["one", "one"], with_references=False)
    assert all(each.l0 == pytest.approx(5, abs=0.5) for each in found.dictionaries)
    assert found.pairs[0].code > 0.1


def normalize_l2(x):
    return x / (x.norm(dim=1, keepdim=True) + 1e-8)


def normalize_max_l1(x):
    return x / x.norm(p=1, dim=1).amax()


def normalize_mine(x):
    return x


class Planted(nn.Module):
    """Attributes under the name of a class of overcomplete."""

    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


HOMES = {
    "overcomplete.sae.topk_sae": ("TopKSAE",),
    "overcomplete.sae.jump_sae": ("JumpSAE",),
    "overcomplete.sae.batchtopk_sae": ("BatchTopKSAE",),
    "overcomplete.sae.base": ("SAE",),
    "overcomplete.sae.qsae": ("QSAE",),
    "overcomplete.sae.dictionary": ("DictionaryLayer",),
    "overcomplete.sae.archetypal_dictionary": ("RelaxedArchetypalDictionary",),
    "overcomplete.sae.modules": ("MLPEncoder", "TieableEncoder", "AttentionEncoder"),
    "overcomplete.later": ("NewSAE",),
}


@pytest.fixture
def planted(monkeypatch):
    """Classes by name, importable while a test pickles them, and gone before anything is read."""
    made = {}
    for home, names in HOMES.items():
        module = types.ModuleType(home)
        for name in names:
            made[name] = type(name, (Planted,), {"__module__": home})
            setattr(module, name, made[name])
        if home.endswith(".dictionary"):
            for function in (normalize_l2, normalize_max_l1, normalize_mine):
                monkeypatch.setattr(function, "__module__", home)
                setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, home, module)
    for package in ("overcomplete", "overcomplete.sae"):
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
    return types.SimpleNamespace(**made)


def dictionary_of(planted, **more):
    torch.manual_seed(1)
    settings = {"normalization": normalize_l2, "_weights": nn.Parameter(torch.randn(N_ATOMS, D_MODEL))} | more
    made = planted.DictionaryLayer(**{"_fused_dictionary": None, **settings})
    made.register_buffer("multiplier", torch.tensor(0.5))
    return made


def encoder_of(planted, *, norm=None, activation=None, blocks=()):
    torch.manual_seed(2)
    return planted.MLPEncoder(
        mlp_blocks=nn.ModuleList(blocks),
        final_block=nn.Sequential(nn.Linear(D_MODEL, N_ATOMS), norm or nn.Identity()),
        final_activation=activation or nn.ReLU(),
    )


def saved(tmp_path, model):
    torch.save(model, tmp_path / "model.pt")
    return tmp_path / "model.pt"


def top(values):
    kept = values.topk(K, dim=1)
    return torch.zeros_like(values).scatter_(1, kept.indices, kept.values)


def test_atoms_by_every_normalisation_and_codes_of_the_k_largest(planted, tmp_path):
    for normalise in (normalize_l2, normalize_max_l1):
        encoder, dictionary = encoder_of(planted), dictionary_of(planted, normalization=normalise)
        found = read(saved(tmp_path, planted.TopKSAE(encoder=encoder, dictionary=dictionary, top_k=K)))
        torch.testing.assert_close(
            found.atoms, (normalise(dictionary.get_parameter("_weights")) * np.exp(0.5)).detach()
        )
        torch.testing.assert_close(found.encode(X), top(encoder.final_block(X).relu()).detach())


def test_an_encoder_without_a_relu_keeps_negative_codes(planted, tmp_path):
    encoder = encoder_of(planted, activation=nn.Identity())
    model = planted.TopKSAE(encoder=encoder, dictionary=dictionary_of(planted), top_k=N_ATOMS - 1)
    kept = encoder.final_block(X).topk(N_ATOMS - 1, dim=1)
    expected = torch.zeros(len(X), N_ATOMS).scatter_(1, kept.indices, kept.values)
    codes = read(saved(tmp_path, model)).encode(X)
    torch.testing.assert_close(codes, expected.detach())
    assert (codes < 0).any()


@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_and_batch_norm_are_those_of_torch_in_evaluation(planted, tmp_path, affine):
    batch_norm = nn.BatchNorm1d(N_ATOMS, affine=affine)
    for norm in (batch_norm, nn.LayerNorm(N_ATOMS, elementwise_affine=affine)):
        encoder = encoder_of(planted, norm=norm)
        for number, values in enumerate(norm.parameters()):
            nn.init.normal_(values, mean=1 - number, std=0.3)
        encoder.final_block(X)  # moves what batch norm remembers away from 0 and 1
        codes = top(encoder.eval().final_block(X).relu()).detach()
        found = read(saved(tmp_path, planted.TopKSAE(encoder=encoder, dictionary=dictionary_of(planted), top_k=K)))
        torch.testing.assert_close(found.encode(X), codes)


def test_a_tied_encoder_is_the_dictionary(planted, tmp_path):
    dictionary = dictionary_of(planted)
    encoder = planted.TieableEncoder(tied_to=dictionary)
    encoder.register_parameter("weight", None)
    encoder.register_parameter("bias", nn.Parameter(torch.arange(N_ATOMS) / 10))
    found = read(saved(tmp_path, planted.TopKSAE(encoder=encoder, dictionary=dictionary, top_k=K)))
    torch.testing.assert_close(found.encode(X), top((X @ found.atoms.T + torch.arange(N_ATOMS) / 10).relu()))


def test_what_equals_a_threshold_fires_as_in_overcomplete(planted, tmp_path):
    log = torch.linspace(-1, 1, N_ATOMS)
    encoder, dictionary = encoder_of(planted, activation=nn.GELU()), dictionary_of(planted)
    model = planted.JumpSAE(encoder=encoder, dictionary=dictionary, thresholds=nn.Parameter(log))
    found = read(saved(tmp_path, model))  # which takes pre-activations, whatever follows them
    pre = encoder.final_block(X).relu()
    torch.testing.assert_close(found.encode(X), torch.where(pre < log.exp(), 0, pre).detach())
    assert isinstance(found.rule, Thresholded)
    at = log.exp()[None]
    assert torch.equal(found.rule.codes(at), at)
    assert not found.rule.codes(at.nextafter(torch.tensor(0.0))).any()


@pytest.mark.parametrize("kind", ["SAE", "BatchTopKSAE"])
def test_plain_and_batch_topk(planted, tmp_path, kind):
    encoder = encoder_of(planted)
    model = getattr(planted, kind)(
        encoder=encoder, dictionary=dictionary_of(planted), running_threshold=torch.tensor(0.4)
    )
    codes = encoder.final_block(X).relu()
    expected = codes if kind == "SAE" else codes * (codes >= 0.4)
    torch.testing.assert_close(read(saved(tmp_path, model)).encode(X), expected.detach())


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("BatchTopKSAE", {}, "never trained, and has no running threshold"),
        ("QSAE", {}, r"codes of QSAE \(quantised codes\) are not read"),
        ("TopKSAE", {"blocks": [nn.Linear(D_MODEL, D_MODEL)]}, "more than one linear layer"),
        ("TopKSAE", {"activation": nn.GELU()}, "codes of TopKSAE after GELU are not read"),
        ("TopKSAE", {"encoder": "AttentionEncoder"}, "its encoder is AttentionEncoder"),
        ("TopKSAE", {"norm": nn.Dropout()}, "what follows its linear layer is not known"),
    ],
)
def test_where_codes_are_not_known_none_are_made_and_atoms_are_read(planted, tmp_path, kind, more, said):
    encoder = getattr(planted, more["encoder"])() if "encoder" in more else encoder_of(planted, **more)
    model = getattr(planted, kind)(encoder=encoder, dictionary=dictionary_of(planted), top_k=K, running_threshold=None)
    found = read(saved(tmp_path, model))
    (note,) = found.notes
    assert re.search(rf"model\.pt: .*{said}.*: it makes no codes here$", note)
    assert found.atoms.shape == (N_ATOMS, D_MODEL)
    with pytest.raises(DictionaryError, match="makes no codes here"):
        found.encode(X)


def test_atoms_that_evaluation_kept_and_weights_do_not_make_are_said(planted, tmp_path):
    """A state dict that is loaded after eval() does not change what the library decodes with."""
    kept = torch.ones(N_ATOMS, D_MODEL)
    dictionary = dictionary_of(planted, _fused_dictionary=kept)
    model = planted.TopKSAE(encoder=encoder_of(planted), dictionary=dictionary, top_k=K)
    trained = read(saved(tmp_path, model))
    assert trained.notes == ()
    assert not torch.equal(trained.atoms, kept)
    found = read(saved(tmp_path, model.eval()))
    assert torch.equal(found.atoms, kept)
    assert "its weights make others: was a state dict loaded after eval()?" in found.notes[0]


def test_a_module_that_was_wrapped_for_several_devices_is_the_module(planted, tmp_path):
    model = planted.TopKSAE(encoder=encoder_of(planted), dictionary=dictionary_of(planted), top_k=K)
    plain = read(saved(tmp_path, model))
    wrapped = read(saved(tmp_path, nn.DataParallel(model)))
    assert torch.equal(plain.encode(X), wrapped.encode(X))
    assert wrapped.about == {"class": "TopKSAE"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top_k": 0}, "top_k of its TopKSAE is 0, and no whole number from 1"),
        ({"top_k": True}, "top_k of its TopKSAE is True"),
        ({"top_k": float("nan")}, "top_k of its TopKSAE is nan"),
        ({"dictionary": nn.Linear(2, 2)}, "has Linear for a dictionary"),
        ({"dictionary": None}, "has nothing for a dictionary"),
    ],
)
def test_modules_that_are_not_whole_are_refused(planted, tmp_path, change, said):
    attributes = {"encoder": encoder_of(planted), "dictionary": dictionary_of(planted), "top_k": K} | change
    with pytest.raises(DictionaryError, match=said):
        read(saved(tmp_path, planted.TopKSAE(**attributes)))


def test_what_is_not_known_is_refused_by_its_name_with_the_way_to_export_it(planted, tmp_path):
    mine = planted.TopKSAE(dictionary=dictionary_of(planted, normalization=normalize_mine))
    way = r"which no .*: save its state dict, torch\.save\(model\.state_dict\(\), 'model\.pt'\)$"
    for model, named in (
        (mine, r"overcomplete\.sae\.dictionary\.normalize_mine"),
        (planted.NewSAE(), r"overcomplete\.later\.NewSAE"),
        (planted.SAE(encoder=nn.Conv3d(1, 1, 1)), r"torch\.nn\.modules\.conv\.Conv3d"),
    ):
        with pytest.raises(DictionaryError, match=rf"names {named}, {way}"):
            read(saved(tmp_path, model))
    for held in ({"model": planted.SAE()}, nn.DataParallel(encoder_of(planted)), [planted.SAE()]):
        with pytest.raises(DictionaryError, match=r"holds (dict|MLPEncoder|list), and no autoencoder of overcomplete"):
            read(saved(tmp_path, held))


class Called:
    """Pickled as a call of something, and a state for what comes back."""

    def __init__(self, called, arguments=(), state=None):
        self.reduced = (called, arguments) if state is None else (called, arguments, state)

    def __reduce__(self):
        return self.reduced


def hostile(planted, marker):
    """Each may be read as no dictionary at all, and must not run."""
    command = f"touch {marker}"
    code = f"__import__('os').system({command!r})"
    model = planted.TopKSAE(encoder=encoder_of(planted), dictionary=dictionary_of(planted), top_k=K)
    hooked = planted.TopKSAE(encoder=encoder_of(planted), dictionary=dictionary_of(planted), top_k=K)
    hooked.__dict__["_forward_hooks"] = {0: os.system}
    return {
        "a command": Called(os.system, (command,)),
        "an expression": {"dictionary.multiplier": Called(builtins.eval, (code,))},
        "a statement beside a module": {"model": model, "also": Called(builtins.exec, (code,))},
        "an attribute": planted.TopKSAE(encoder=Called(builtins.getattr, (planted.TopKSAE, "mro")), dictionary=None),
        "a hook": hooked,
        "arguments for an allowed class": Called(planted.TopKSAE, (command,)),
        "a call of an allowed function": Called(normalize_l2, (torch.ones(2, 2),)),
        "another class for an allowed object": Called(planted.TopKSAE, (), ({}, {"__class__": nn.Linear})),
        "a state that is no table": Called(planted.TopKSAE, (), [command]),
        "attributes without names": Called(planted.TopKSAE, (), {1: command}),
        "a tensor's state for an allowed object": Called(planted.TopKSAE, (), (command, 0, (1,), (1,))),
        "a dictionary of tables": Called(planted.TopKSAE, (), {"_modules": {"dictionary": {"_parameters": command}}}),
        "no modules": Called(planted.TopKSAE, (), {"_modules": command, "_parameters": 3}),
    }


CASES = tuple(hostile(types.SimpleNamespace(**dict.fromkeys(sum(HOMES.values(), ()), Planted)), "x"))


@pytest.mark.parametrize("case", CASES)
def test_hostile_files_are_refused_and_nothing_in_them_runs(planted, tmp_path, case):
    marker = tmp_path / "ran"
    given = hostile(planted, marker)[case]
    path = saved(tmp_path, given)
    with pytest.raises(DictionaryError):
        read(path)
    with pytest.raises(DictionaryError):
        read(path, format="overcomplete")
    assert not marker.exists()


@pytest.mark.parametrize("case", ["a command", "an expression", "a statement beside a module"])
def test_hostile_files_do_run_where_they_are_unpickled(planted, tmp_path, case):
    path = saved(tmp_path, hostile(planted, tmp_path / "ran")[case])
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists()


def test_what_a_file_names_is_said(planted, tmp_path):
    marker = tmp_path / "ran"
    found = hostile(planted, marker)
    for case, named in (("a command", f"{os.system.__module__}.system"), ("an expression", "builtins.eval")):
        with pytest.raises(DictionaryError, match=rf"more than tensors \({named}\), and is not unpickled: save the"):
            read(saved(tmp_path, found[case]))
    with pytest.raises(DictionaryError, match=r"names .*builtins\.exec.*, which no autoencoder of overcomplete"):
        read(saved(tmp_path, found["a statement beside a module"]))


def test_a_module_within_itself_ends(planted, tmp_path):
    wrapped = nn.DataParallel(nn.Identity())
    wrapped.module = wrapped
    wrapped.also = planted.SAE()
    with pytest.raises(DictionaryError, match="holds DataParallel, and no autoencoder of overcomplete"):
        read(saved(tmp_path, wrapped))
    model = planted.SAE(dictionary=dictionary_of(planted))
    model.encoder = model
    assert "its encoder is SAE" in read(saved(tmp_path, model)).notes[0]


def test_what_a_process_lets_torch_load_is_not_let_in_and_is_let_be(planted, tmp_path):
    marker = tmp_path / "ran"
    command = Called(os.mkdir, (str(marker),))
    allowed = [os.mkdir, planted.TopKSAE, (planted.SAE, "overcomplete.sae.topk_sae.TopKSAE")]
    model = saved(tmp_path, planted.TopKSAE(encoder=encoder_of(planted), dictionary=dictionary_of(planted), top_k=K))
    whole = model.rename(tmp_path / "whole.pt")
    with torch.serialization.safe_globals(allowed):
        assert read(whole).about == {"class": "TopKSAE"}
        with pytest.raises(DictionaryError, match=rf"more than tensors \({os.mkdir.__module__}\.mkdir\)"):
            read(saved(tmp_path, {"dictionary.multiplier": command}))
        assert set(torch.serialization.get_safe_globals()) >= set(allowed)
    assert not marker.exists()


def test_a_file_that_is_cut_short_is_told_as_damaged(planted, tmp_path):
    path = saved(tmp_path, planted.SAE(dictionary=dictionary_of(planted)))
    path.write_bytes(path.read_bytes()[:-300])
    assert names_in(path) == []
    with pytest.raises(DictionaryError, match="holds more than tensors, or is damaged, and is not unpickled"):
        read(path)
    with pytest.raises(RuntimeError):
        load(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize("number", range(60))
def test_a_pickle_with_changed_bytes_is_read_or_refused_and_never_a_traceback(tmp_path, number):
    chance = np.random.default_rng(number)
    whole, changed = PICKLED / "overcomplete-batchtopk/model.pt", tmp_path / "model.pt"
    with zipfile.ZipFile(whole) as files, zipfile.ZipFile(changed, "w") as written:
        for name in files.namelist():
            held = bytearray(files.read(name))
            if name.endswith("data.pkl"):
                held[chance.integers(len(held))] = chance.integers(256)
            written.writestr(name, bytes(held))
    with contextlib.suppress(DictionaryError):
        assert read(changed, format="overcomplete").atoms.isfinite().all()
