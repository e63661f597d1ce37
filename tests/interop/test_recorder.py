"""Two lines in somebody else's training loop: which steps are written, how, and what compare reads of them.

Real trainers of all libraries are in benchmarks/peers/recorder.py; here, overcomplete's modules are real, and those of
the others have their names and layouts.
"""

import json

import numpy as np
import pytest
import torch
from torch import nn

import reseed
from reseed.errors import DictionaryError, SpecError
from reseed.interop import steps_of, write
from reseed.interop.recorder import Recorder

N_ATOMS, D_MODEL, K = 40, 16, 5
ROUND = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def parts(seed=0, **more):
    atoms, encoder = noise(2, N_ATOMS, D_MODEL, seed=seed)
    return {
        "atoms": atoms,
        "encoder": encoder,
        "encoder_bias": noise(N_ATOMS, seed=seed + 1),
        "decoder_bias": noise(D_MODEL, seed=seed + 2),
        **more,
    }


def test_due_are_0_and_1_2_5_times_powers_of_ten(tmp_path):
    recorder = Recorder(tmp_path / "run")
    written = [step for step in range(1200) if recorder.snapshot(step, noise(N_ATOMS, D_MODEL, seed=step))]
    assert written == ROUND
    assert list(steps_of(tmp_path / "run")) == ROUND


def test_the_last_one_is_recorded_whatever_the_schedule(tmp_path):
    recorder = Recorder(tmp_path / "run", steps=[0, np.int64(30)])
    for step in range(40):
        recorder.snapshot(step, noise(N_ATOMS, D_MODEL, seed=step))
    path = recorder.snapshot(40, noise(N_ATOMS, D_MODEL), final=True)
    assert list(steps_of(tmp_path / "run")) == [0, 30, 40]
    assert path.name == "step-000040.safetensors"
    assert torch.equal(reseed.read_dictionary(path).atoms, noise(N_ATOMS, D_MODEL))


def test_what_is_recorded_is_the_dictionary_as_it_was(tmp_path):
    atoms = noise(N_ATOMS, D_MODEL)
    recorder = Recorder(tmp_path / "run")
    path, before = recorder.snapshot(0, atoms), atoms.clone()
    atoms += 1
    assert torch.equal(reseed.read_dictionary(path).atoms, before)


@pytest.mark.parametrize(
    "more", [{}, {"k": K}, {"threshold": torch.full((N_ATOMS,), 0.3)}, {"k": K, "subtracts": True}]
)
def test_tensors_by_name_make_the_codes_that_they_make(tmp_path, more):
    given, x = parts(**more), noise(500, D_MODEL, seed=9)
    found = reseed.read_dictionary(Recorder(tmp_path / "run").snapshot(0, given))
    inner = x - given["decoder_bias"] if more.get("subtracts") else x
    pre = inner @ given["encoder"].T + given["encoder_bias"]
    wanted = pre.relu()
    if "k" in more:
        chosen = pre.topk(K, dim=1).indices
        wanted = wanted * torch.zeros_like(pre).scatter(1, chosen, 1.0)
    elif "threshold" in more:
        wanted = wanted * (pre > 0.3)
    torch.testing.assert_close(found.encode(x), wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        found.reconstruct(x), wanted @ given["atoms"] + given["decoder_bias"], rtol=1e-4, atol=1e-4
    )


def test_an_object_with_components_is_recorded_by_these(tmp_path):
    class Learnt:
        components_ = noise(N_ATOMS, D_MODEL).numpy()

    path = Recorder(tmp_path / "run").snapshot(0, Learnt())
    assert torch.equal(reseed.read_dictionary(path).atoms, noise(N_ATOMS, D_MODEL))


@pytest.mark.parametrize("wrap", [lambda module: module, nn.DataParallel], ids=["plain", "parallel"])
@pytest.mark.parametrize("kind", ["TopKSAE", "RATopKSAE"])
def test_of_overcomplete_the_file_says_what_its_state_dict_does_not(tmp_path, wrap, kind, overcomplete_sae):
    given = {} if kind == "TopKSAE" else {"points": noise(60, D_MODEL, seed=3), "delta": 0.7}
    model = getattr(overcomplete_sae, kind)(D_MODEL, N_ATOMS, top_k=K, **given).eval()
    path = Recorder(tmp_path / "run").snapshot(0, wrap(model))
    x = noise(1000, D_MODEL, seed=4)
    found = reseed.read_dictionary(path)
    with torch.no_grad():
        codes = model.encode(x)[1]
        torch.testing.assert_close(found.encode(x), codes, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found.reconstruct(x), model.decode(codes), rtol=1e-5, atol=1e-5)
    assert (found.encode(x) != 0).sum(dim=1).max() == K
    with pytest.raises(DictionaryError, match=r"has top_k = 5, and 6 was given: leave that out"):
        reseed.read_dictionary(path, k=6)


def of_library(name, kind, *bases, **members):
    """A module class that says it is from another library."""
    return type(kind, bases or (nn.Module,), {"__module__": f"{name}.somewhere", **members})


def top_k(seed=0, *derived):
    module = of_library("dictionary_learning", "AutoEncoderTopK")
    module = type("Mine", (module,), {"__module__": "mine"}) if derived else module
    made = module()
    made.encoder, made.decoder = nn.Linear(D_MODEL, N_ATOMS), nn.Linear(N_ATOMS, D_MODEL, bias=False)
    made.b_dec = nn.Parameter(noise(D_MODEL, seed=seed))
    made.register_buffer("k", torch.tensor(K))
    made.register_buffer("threshold", torch.tensor(-1.0))
    return made


@pytest.mark.parametrize("derived", [(), ("derived",)])
def test_of_dictionary_learning_the_class_is_written_beside_the_tensors(tmp_path, derived):
    module = top_k(0, *derived)
    path = Recorder(tmp_path / "run").snapshot(0, module)
    assert json.loads((path / "config.json").read_text()) == {"trainer": {"dict_class": "AutoEncoderTopK"}}
    found = reseed.read_dictionary(path)
    assert found.format == "dictionary-learning"
    assert torch.equal(found.atoms, module.decoder.weight.T)
    assert found.rule.k == K


@pytest.mark.parametrize(
    ("library", "method", "written"),
    [
        ("sae_lens", "save_inference_model", "saelens"),
        ("sae_lens", "save_model", "saelens"),
        ("sparsify", "save_to_disk", "sparsify"),
    ],
)
def test_saelens_and_sparsify_save_themselves(tmp_path, library, method, written):
    dictionary = reseed.read_dictionary(Recorder(tmp_path / "given").snapshot(0, parts(k=K, subtracts=True)))
    members = {"save_model": None, method: lambda _, path: write(dictionary, path, format=written)}
    module = of_library(library, "Theirs", **members)()
    compiled = nn.Module()
    compiled.add_module("_orig_mod", module)  # as torch.compile has it
    path = Recorder(tmp_path / "run").snapshot(0, compiled)
    found = reseed.read_dictionary(path)
    assert found.format == written
    assert torch.allclose(found.atoms, dictionary.atoms)


def test_folders_of_it_are_followed_along_training(tmp_path):
    for run in range(3):
        recorder = Recorder(tmp_path / f"run{run}")
        for step in (0, 1, 2, 5, 10):
            way = step / 12
            recorder.snapshot(
                step, (1 - way) * noise(N_ATOMS, D_MODEL, seed=run) + way * noise(N_ATOMS, D_MODEL, seed=7)
            )
    (along,) = reseed.compare(*(tmp_path / f"run{run}" for run in range(3))).trajectories
    assert along.steps == (0, 1, 2, 5, 10)
    assert along.init_groups == 3
    assert along.change.value > 0.4


def test_it_goes_on_with_a_run_only_when_told(tmp_path):
    first = Recorder(tmp_path / "run")
    first.snapshot(0, noise(N_ATOMS, D_MODEL))
    first.snapshot(10, noise(N_ATOMS, D_MODEL, seed=1))
    with pytest.raises(SpecError, match=r"holds steps 0 to 10 of a run: .* resume=True"):
        Recorder(tmp_path / "run")
    again = Recorder(tmp_path / "run", resume=True)
    assert again.snapshot(10, noise(N_ATOMS, D_MODEL, seed=2)) is None
    assert again.snapshot(20, noise(N_ATOMS, D_MODEL, seed=3)) is not None
    assert repr(again) == f"Recorder({str(tmp_path / 'run')!r}, 3 steps)"
    assert torch.equal(
        reseed.read_dictionary(tmp_path / "run/step-000010.safetensors").atoms, noise(N_ATOMS, D_MODEL, seed=1)
    )


def test_what_is_half_written_is_no_step(tmp_path):
    def stops(_, path):
        write(reseed.read_dictionary(Recorder(tmp_path / "given").snapshot(0, parts(k=K))), path, format="saelens")
        raise KeyboardInterrupt

    recorder = Recorder(tmp_path / "run")
    recorder.snapshot(0, noise(N_ATOMS, D_MODEL))
    with pytest.raises(KeyboardInterrupt):
        recorder.snapshot(1, of_library("sparsify", "Theirs", save_to_disk=stops)())
    assert list(steps_of(tmp_path / "run")) == [0]
    (tmp_path / "given/step-000000").rename(tmp_path / "moved")
    recorder = Recorder(tmp_path / "run", resume=True)
    assert recorder.snapshot(1, noise(N_ATOMS, D_MODEL)) is not None
    assert list(steps_of(tmp_path / "run")) == [0, 1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            nn.Linear(3, 4),
            r"Linear is a module of none of sae_lens, .*: give its atoms as a tensor \(n_atoms, d_model\)",
        ),
        ({"atom": 3}, r"has 'atom'; did you mean atoms\?; these are known: atoms, encoder"),
        ({"encoder": 3}, r"has no atoms; these are known"),
        (torch.zeros(4, 3), "zero atoms only"),
        (torch.ones(4), r"shape \(4,\)"),
        (torch.full((4, 3), torch.nan), "NaN"),
        (parts(k=3, threshold=0.1), "has k and threshold"),
        (parts() | {"encoder": noise(D_MODEL, N_ATOMS)}, "the encoder has shape"),
        (of_library("dictionary_learning", "CrossCoder")(), "names the class 'CrossCoder'"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_cannot_be_read_again_is_refused_at_the_first_step(tmp_path, given, told):
    recorder = Recorder(tmp_path / "run")
    with pytest.raises(DictionaryError, match=told):
        recorder.snapshot(0, given)
    assert not steps_of(tmp_path / "run")
    assert recorder.snapshot(0, noise(N_ATOMS, D_MODEL)) is not None


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([4], "the first step is 4: without step 0 nothing can be said"),
        ([0, 50, 49], "step 49 comes after step 50: give every run a Recorder"),
        ([-1], "step -1 is no number of updates"),
        ([True], "step True is no number of updates"),
    ],
)
def test_steps_are_updates_in_order_from_0(tmp_path, steps, told):
    recorder = Recorder(tmp_path / "run")
    *before, last = steps
    for step in before:
        recorder.snapshot(step, noise(N_ATOMS, D_MODEL))
    with pytest.raises(SpecError, match=told):
        recorder.snapshot(last, noise(N_ATOMS, D_MODEL))


@pytest.mark.parametrize("steps", [[], [1.5], [-1], [0, True]])
def test_a_schedule_is_of_updates(tmp_path, steps):
    with pytest.raises(SpecError, match="are no numbers of updates"):
        Recorder(tmp_path, steps=steps)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(SpecError, match="is a file: choose a folder"):
        Recorder(tmp_path / "run")
