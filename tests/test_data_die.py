"""The seventh die: runs that read parts of their own of the activations, and what sharing them adds to agreement."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reseed.activations import open_activations
from reseed.activations.matrix import Matrix, Shard
from reseed.activations.unchanged import UNWATCHED
from reseed.dice import DICE
from reseed.pipeline.run import run
from reseed.training import Seen, train
from reseed.trajectory import StudyFolder
from studies import arm, contents, context, matrix, specs_of, study

RANDOM = {"kind": "random"}
ARMS = {
    "batches": arm("topk", start=RANDOM),
    "resampling": arm("topk", start=RANDOM, resample_every=2),
    "data start": arm("topk", start={"kind": "data"}),
    "k-means start": arm("topk"),
    "hull": arm("ra-topk", start={"kind": "data", "weights": "dirichlet"}),
}


@pytest.fixture(scope="module")
def acts(tmp_path_factory):
    return matrix(tmp_path_factory.mktemp("parts") / "acts.npy", 900)


def poisoned(place, spec):
    """The same place, where the rows of the file that are not in the run's part are no numbers."""
    (fingerprint, source), *_ = place.sources.items()
    whole = source.activations.activations
    mine = whole.split.rows(
        whole.part(spec.part.index, spec.part.of).taken.rows(torch.arange(place.seen(spec).activations.n_tokens))
    )
    rows = torch.full((whole.split.n_rows, whole.d_model), torch.nan)
    rows[mine] = whole.matrix.rows(mine)
    spoilt = replace(whole, matrix=Matrix((Shard("poisoned", rows),)), watch=UNWATCHED)
    seen = replace(source.activations, activations=spoilt)
    return replace(place, sources={fingerprint: Seen(seen, source.heldout)})


@pytest.mark.parametrize("name", ARMS)
def test_a_run_reads_nothing_outside_its_part(acts, tmp_path, name):
    split = study(acts, ARMS[name], starts=3, runs_per_start=1, steps=6, dice={"data": "start"})
    for spec in specs_of(split)[:2]:
        files = []
        for where, spoil in (("whole", lambda place, _: place), ("poisoned", poisoned)):
            with context(acts, tmp_path / where) as place:
                train([spec], spoil(place, spec))
            files.append(contents(tmp_path / where / "runs" / spec.id))
        assert files[0] == files[1]
        assert StudyFolder(tmp_path / "poisoned").run(spec.id).done.status == "finished"


def test_runs_of_different_parts_side_by_side_are_the_same_bytes_on_any_number_of_threads(acts, tmp_path):
    split = study(acts, arm("topk", resample_every=3), starts=3, dice={"data": "start"})
    specs, together = specs_of(split), []
    for threads in (1, 3):
        with context(acts, tmp_path / str(threads), threads=threads) as place:
            train(specs, place)
        together.append(contents(tmp_path / str(threads) / "runs"))
    with context(acts, tmp_path / "alone") as place:
        train(specs[-1:], place)
    alone = contents(tmp_path / "alone" / "runs")
    assert together[0] == together[1]
    assert alone.items() <= together[0].items()


def test_a_record_says_which_part_of_how_many_and_what_the_die_showed(acts, tmp_path):
    split = study(acts, ARMS["batches"], starts=3, dice={"data": "start"})
    specs = specs_of(split)
    with context(acts, tmp_path) as place:
        train(specs, place)
    records = [StudyFolder(tmp_path).run(spec.id).record for spec in specs]
    assert [(record.part.index, record.part.of) for record in records] == [(s.part.index, 3) for s in specs]
    assert len({record.rolls["data"] for record in records}) == 3
    assert all(set(record.rolls) == set(DICE) and "data" in record.dice for record in records)


def test_starts_from_data_of_different_parts_have_no_points_in_common(acts, tmp_path):
    split = study(acts, ARMS["data start"], starts=3, runs_per_start=1, dice={"data": "start"})
    specs = specs_of(split)
    with context(acts, tmp_path) as place:
        train(specs, place)
    folder = StudyFolder(tmp_path)
    born = torch.cat([folder.run(spec.id).snapshot(0).atoms for spec in specs])
    assert len({folder.run(spec.id).record.points for spec in specs}) == 3
    assert len(born.unique(dim=0)) == len(born)


def test_on_heavy_tailed_noise_all_agreement_that_training_makes_is_the_shared_sample(tmp_path):
    """Rows of Student's t in all directions alike: there is no structure, but the longest rows become atoms."""
    chance = np.random.default_rng(3)
    shrunk = np.sqrt(chance.chisquare(3.0, size=(2000, 1)) / 3.0)
    np.save(tmp_path / "acts.npy", (chance.standard_normal((2000, 16)) / shrunk).astype(np.float32))
    one = arm("topk", name="one-sample", n_atoms=24, k=2, learning_rate=0.01, start=RANDOM)
    own = one.model_copy(update={"name": "own-samples", "dice": {"data": "start"}})
    both = study(
        tmp_path / "acts.npy", one, own, steps=200, batch_size=64, starts=4, runs_per_start=1,
        preprocess=("none",), floors={"draws": 3, "surrogate": "off"},
    )  # fmt: skip
    found = run(both, tmp_path / "study", quiet=True)
    shared, apart = found.conditions
    assert (shared.samples, apart.samples) == ("one", "several")
    assert "on one sample of activations" in shared.verdict.sentence
    assert "on several samples of activations" in apart.verdict.sentence
    (family,) = found.shared_dice
    (effect,) = family.effects
    assert effect.dice == ("data",)
    ends = shared.agreement.between.last.value, apart.agreement.between.last.value
    assert effect.last.value == pytest.approx(ends[0] - ends[1])
    assert effect.last.low > 0.05
    assert effect.born.value == pytest.approx(0, abs=1e-9)
    assert shared.agreement.gain.low > 0.05
    assert apart.agreement.gain.high < shared.agreement.gain.low


def test_a_study_that_shares_its_activations_says_one_sample(acts, tmp_path):
    found = run(study(acts, ARMS["batches"], floors={"draws": 3, "surrogate": "off"}), tmp_path / "study", quiet=True)
    assert found.conditions[0].samples == "one"
    assert all("data" not in each.rolls for each in found.conditions[0].runs)
    assert open_activations(acts).taken is None
