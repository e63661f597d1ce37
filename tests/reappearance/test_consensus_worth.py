"""What the consensus is worth: held against a dense reference, on planted truth, and through the writers."""

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

import reseed
import studies
from reseed.errors import DictionaryError, SpecError
from reseed.matching import match
from reseed.reappearance import find_features, write_consensus
from reseed.reappearance.pursuit import pursued
from reseed.report.features_text import render

N_ATOMS, D_MODEL, K = 24, 16, 3


def normal(*shape, rolled=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(rolled))


def unit(atoms):
    return torch.nn.functional.normalize(atoms, dim=1)


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Sparse sums of planted atoms, and three SAELens autoencoders that know most of them, each with an error."""
    folder = tmp_path_factory.mktemp("planted")
    atoms = unit(normal(N_ATOMS, D_MODEL, rolled=1))
    codes = torch.zeros(900, N_ATOMS)
    codes.scatter_(1, normal(900, N_ATOMS, rolled=2).topk(K, dim=1).indices, 1 + normal(900, K, rolled=3).abs())
    np.save(folder / "acts.npy", (codes @ atoms + 1.5).numpy())
    runs = []
    for run in range(3):
        own = atoms.clone()
        own[run * 4 : run * 4 + 4] = unit(normal(4, D_MODEL, rolled=10 + run))  # in place of those it does not know
        own = unit(own + 0.4 * unit(normal(N_ATOMS, D_MODEL, rolled=20 + run)))
        own = own[torch.randperm(N_ATOMS, generator=torch.Generator().manual_seed(run))].contiguous()
        runs.append(_saelens(folder / f"run{run}", own, 0.1 * normal(N_ATOMS, rolled=30 + run)))
    return atoms, runs, folder / "acts.npy"


def _saelens(folder, atoms, bias):
    folder.mkdir()
    weights = {"W_dec": atoms, "W_enc": atoms.T.contiguous(), "b_enc": bias, "b_dec": torch.full((D_MODEL,), 1.5)}
    save_file(weights, folder / "sae_weights.safetensors")
    settings = {
        "architecture": "topk",
        "d_in": D_MODEL,
        "d_sae": N_ATOMS,
        "k": K,
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.0.0"},
    }
    (folder / "cfg.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["mean", "medoid"])
def found(request, planted):
    _, runs, acts = planted
    return find_features(*runs, activations=acts, code=-1.0, with_consensus=request.param)


def by_least_squares(x, atoms, k):
    """Orthogonal matching pursuit of one token as textbooks write it."""
    chosen, left = [], x
    for _ in range(k):
        products = left @ atoms.T
        products[chosen] = -np.inf
        if products.max() <= 0:
            break
        chosen.append(int(products.argmax()))
        amounts = np.linalg.lstsq(atoms[chosen].T, x, rcond=None)[0]
        left = x - amounts @ atoms[chosen]
    return x - left


def r2(x, there, mean):
    return 1 - ((x - there) ** 2).sum() / ((x - mean) ** 2).sum()


def test_pursuit_is_that_of_textbooks():
    x, atoms = normal(40, D_MODEL).double(), unit(normal(N_ATOMS, D_MODEL, rolled=4).double())
    wanted = [by_least_squares(row, atoms.numpy(), 5) for row in x.numpy()]
    assert pursued(x, 7 * atoms, 5).numpy() == pytest.approx(np.stack(wanted), abs=1e-9)
    assert torch.allclose(pursued(x, torch.cat([atoms, -atoms]), 5), pursued(x, atoms, 5, sign="abs"), atol=1e-5)


def test_pursuit_with_as_many_atoms_as_dimensions_leaves_nothing_and_takes_no_zero_atoms():
    x, atoms = normal(10, 4).double(), torch.cat([torch.zeros(3, 4), normal(6, 4, rolled=1)]).double()
    assert torch.allclose(pursued(x, torch.cat([atoms, -atoms]), 50), x)
    assert torch.equal(pursued(x, torch.zeros(3, 4).double(), 2), torch.zeros_like(x))
    twice = atoms[3:5].repeat(2, 1)
    assert torch.allclose(pursued(x, twice, 4, sign="abs"), pursued(x, atoms[3:5], 2, sign="abs"))


def test_r2_is_what_a_dense_reference_gives(planted, found):
    _, runs, acts = planted
    opened = reseed.open_activations(acts)
    x, mean = opened.heldout.rows.double().numpy(), opened.moments.mean.double().numpy()
    (recipe,) = found.document.recipes
    told = recipe.consensus
    assert (told.tokens, told.steps) == (len(x), K)
    whole = found.consensus[recipe.name].dictionary
    for each, dictionary in zip((*told.runs, told.consensus), (*map(reseed.read_dictionary, runs), whole), strict=True):
        atoms, bias = unit(dictionary.atoms).double().numpy(), dictionary.decoder_bias.double().numpy()
        there = np.stack([by_least_squares(row - bias, atoms, K) for row in x]) + bias
        assert each.pursuit == pytest.approx(r2(x, there, mean), abs=1e-5)
        pre = (x - bias) @ dictionary.encoder.double().numpy().T + dictionary.encoder_bias.double().numpy()
        codes = np.where(pre >= np.sort(pre, axis=1)[:, [-K]], np.maximum(pre, 0), 0)
        assert each.own == pytest.approx(r2(x, codes @ dictionary.atoms.double().numpy() + bias, mean), abs=1e-5)


def test_planted_atoms_are_recovered_at_least_as_well_as_by_the_best_run(planted, found):
    atoms, runs, _ = planted
    (recipe,) = found.document.recipes
    made = found.consensus[recipe.name]
    known = (made.made.appearances > 1).sum()
    assert known == N_ATOMS == recipe.consensus.core.atoms
    recovered = float(match(atoms, made.dictionary.atoms).cosines.mean())
    assert recovered > max(float(match(atoms, reseed.read_dictionary(run).atoms).cosines.mean()) for run in runs)
    assert recipe.consensus.consensus.pursuit > max(each.pursuit for each in recipe.consensus.runs)
    assert recipe.consensus.sentence in " ".join(render(found.document, [], width=80, colour=False).split())


def test_parts_of_a_mean_are_means_of_the_parts_of_its_members(planted, found):
    _, runs, _ = planted
    (made,) = found.consensus.values()
    opened = [reseed.read_dictionary(run) for run in runs]
    for atom in range(N_ATOMS):
        own = [(run, int(member)) for run, member in enumerate(made.made.members[atom]) if member >= 0]
        signs = made.made.signs[atom]
        counted = [(run, member) for run, member in own if signs[run]]
        assert len(counted) == (1 if made.representative == "medoid" else len(own))
        encoder = torch.stack([opened[run].encoder[member] for run, member in counted]).mean(dim=0)
        bias = torch.stack([opened[run].encoder_bias[member] for run, member in counted]).mean()
        assert torch.allclose(made.dictionary.encoder[atom], encoder, atol=1e-6)
        assert float(made.dictionary.encoder_bias[atom]) == pytest.approx(float(bias), abs=1e-6)
    assert torch.allclose(made.dictionary.atoms.norm(dim=1), torch.ones(N_ATOMS), atol=1e-6)


@pytest.mark.parametrize("form", ["saelens", "sparsify"])
def test_what_is_written_for_other_libraries_is_read_back(found, form, tmp_path):
    (made,) = found.consensus.values()
    (folder,) = write_consensus(found, tmp_path / "out", format=form)
    back = reseed.read_dictionary(folder)
    assert back.format == form
    assert torch.equal(back.atoms, made.dictionary.atoms)
    x = normal(50, D_MODEL, rolled=9)
    assert torch.allclose(back.reconstruct(x), made.dictionary.reconstruct(x), atol=1e-5)
    beside = pl.read_parquet(folder / "consensus.parquet")
    assert beside["appearances"].to_list() == made.made.appearances.tolist()
    assert beside["reappearance"].to_list() == made.made.reappearance.tolist()
    assert [beside[f"atom[{run}]"].fill_null(-1).to_list() for run in made.runs] == made.made.members.T.tolist()
    with pytest.raises(DictionaryError, match="is there already: choose another place, or replace it with --force"):
        write_consensus(found, tmp_path / "out", format=form)
    assert write_consensus(found, tmp_path / "out", format=form, force=True) == (folder,)


def test_one_file_holds_the_atoms_and_where_they_are_from(found, tmp_path):
    (made,) = found.consensus.values()
    (path,) = write_consensus(found, tmp_path / "common.safetensors")
    assert torch.equal(reseed.read_dictionary(path).atoms, made.dictionary.atoms)
    held = load_file(path)
    assert torch.equal(held["appearances"], made.made.appearances)
    assert torch.equal(held["reappearance"], made.made.reappearance)
    assert torch.equal(held["members"], made.made.members)
    assert torch.equal(held["encoder"], made.dictionary.encoder)
    with pytest.raises(SpecError, match="holds atoms, for any library: give a folder to write what sparsify loads"):
        write_consensus(found, tmp_path / "other.safetensors", format="sparsify")


def test_features_of_so_many_runs_alone_are_kept(planted):
    _, runs, acts = planted
    found = find_features(*runs, activations=acts, code=-1.0, with_consensus="mean", in_runs=3)
    (made,) = found.consensus.values()
    assert set(made.made.appearances.tolist()) == {3}
    assert len(made.dictionary.atoms) == N_ATOMS - 12
    none = find_features(*runs, activations=acts, cosine=1.0, with_consensus="mean", in_runs=2)
    assert math.isnan(none.document.recipes[0].consensus.core.pursuit)
    with pytest.raises(DictionaryError, match=r"no feature of .* was found in so many runs"):
        write_consensus(none, acts.parent / "none")


def test_bare_atoms_have_a_consensus_and_no_r2(tmp_path):
    for run, path in enumerate(paths := [tmp_path / f"run{run}.npy" for run in range(3)]):
        np.save(path, unit(normal(N_ATOMS, D_MODEL) + 0.1 * normal(N_ATOMS, D_MODEL, rolled=1 + run)).numpy())
    found = find_features(*paths, with_consensus="mean")
    told = found.document.recipes[0].consensus
    assert told.found_in == (0, 0, N_ATOMS)
    assert math.isnan(told.consensus.pursuit)
    assert "not known without activations and codes" in told.sentence
    assert "makes no codes" in told.without
    with pytest.raises(DictionaryError, match=r"has no encoder: .* makes no codes: write its atoms alone"):
        write_consensus(found, tmp_path / "out")
    assert write_consensus(found, tmp_path / "atoms.safetensors")
    with pytest.raises(SpecError, match="no consensus was made"):
        write_consensus(find_features(*paths), tmp_path / "none.safetensors")


def test_the_consensus_of_a_study_reads_what_its_runs_read(tmp_path):
    acts = studies.matrix(tmp_path / "acts.npy", 3000)
    arm = studies.arm("topk", start={"kind": "random"}, learning_rate=1e-2)
    small = studies.study(acts, arm, steps=300, preprocess=("centre", "none"), starts=3, runs_per_start=1)
    reseed.run(small, tmp_path / "study")
    found = find_features(tmp_path / "study", with_consensus="mean")
    for recipe in found.document.recipes:
        metrics = [
            pl.read_parquet(tmp_path / "study" / "runs" / run / "metrics.parquet").filter(pl.col("step") == 300)["r2"][
                0
            ]
            for run in recipe.runs
        ]
        assert [each.own for each in recipe.consensus.runs] == pytest.approx(metrics, abs=1e-5)
        assert recipe.consensus.consensus.pursuit > 0.5
    written = write_consensus(found, tmp_path / "out")
    assert [folder.name for folder in written] == ["topk@centre", "topk@none"]
    x = reseed.open_activations(acts).heldout.rows.float()
    for folder, made in zip(written, found.consensus.values(), strict=True):
        assert torch.allclose(reseed.read_dictionary(folder).reconstruct(x), made.dictionary.reconstruct(x), atol=1e-4)
    with pytest.raises(SpecError, match="is one file, and there are 2 conditions"):
        write_consensus(found, tmp_path / "one.safetensors")
