"""Every pair of runs at every snapshot, against what the snapshots give on their own and where the answer is known."""

from itertools import combinations, pairwise

import polars as pl
import pytest
import torch

from reseed import measures
from reseed._support.threads import workers
from reseed.analysis import compare_runs
from reseed.analysis.tables import pairs_of
from reseed.dice import generator
from reseed.matching import match
from reseed.measures import MEASURES
from reseed.trajectory import StudyFolder
from studies import LAST_STEP, SNAPSHOTS, finished, hand_made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return StudyFolder.open(finished(tmp_path_factory)[0])


@pytest.fixture(scope="module")
def table(folder):
    tables = [(each.name, folder.compared(each.name).table("pairs")) for each in folder.manifest.conditions]
    return pl.concat([table.with_columns(condition=pl.lit(name)) for name, table in tables])


def drawn(number, n_atoms=7, d_model=6):
    return torch.randn(n_atoms, d_model, generator=generator(number))


def measured(folder, condition="a@none", threads=2):
    """The matrices that judging reads of a condition, compared anew."""
    with workers(threads) as pool:
        about = compare_runs(folder, condition, pool)
    return pairs_of(about, folder.compared(condition).table("pairs"))


def rows_of(folder, condition="a@none"):
    return folder.compared(condition).table("pairs")


def test_there_is_a_row_for_every_pair_at_every_snapshot(folder, table):
    for name in (condition.name for condition in folder.manifest.conditions):
        runs = [run.id for run in folder.runs(name)]
        rows = table.filter(pl.col("condition") == name)
        expected = [(step, a, b) for step in SNAPSHOTS for a, b in combinations(runs, 2)]
        assert rows.select("step", "run_a", "run_b").rows() == expected
    assert set(table["relation"]) == {"within", "between"}


def test_pairs_are_within_when_they_share_the_start_and_between_when_not(table):
    start = [[run.split(".")[1] for run in table[side]] for side in ("run_a", "run_b")]
    expected = ["within" if a == b else "between" for a, b in zip(*start, strict=True)]
    assert table["relation"].to_list() == expected
    groups = zip(table["group_a"], table["group_b"], strict=True)
    assert ["within" if a == b else "between" for a, b in groups] == expected


def test_the_matching_of_every_pair_at_the_last_step_is_kept(folder):
    for condition in folder.manifest.conditions:
        kept = folder.compared(condition.name).table("matchings")
        assert set(kept["step"]) == {LAST_STEP}
        for a, b in combinations(folder.runs(condition.name), 2):
            rows = kept.filter((pl.col("run_a") == a.id) & (pl.col("run_b") == b.id))
            matching = match(a.snapshot(LAST_STEP).atoms, b.snapshot(LAST_STEP).atoms)
            assert rows["row"].to_list() == matching.rows.tolist()
            assert rows["col"].to_list() == matching.cols.tolist()
            assert rows["cosine"].to_list() == matching.cosines.tolist()


def test_the_cosines_of_every_pair_at_every_step_are_kept_in_order(folder, table):
    assert table["agreement"].to_list() == pytest.approx(table["cosines"].list.mean().to_list(), abs=1e-6)
    row = table.row(-1, named=True)
    a, b = (folder.run(row[side]).snapshot(row["step"]).atoms for side in ("run_a", "run_b"))
    assert row["cosines"] == match(a, b).cosines.sort().values.float().tolist()


def test_every_number_is_what_the_snapshots_give_on_their_own(folder, table):
    covariance = folder.moments("centre")["covariance"]
    for row in table.filter(pl.col("step").is_in([0, LAST_STEP])).iter_rows(named=True):
        a, b = (folder.run(row[side]).snapshot(row["step"]) for side in ("run_a", "run_b"))
        matching = match(a.atoms, b.atoms)
        assert row["agreement"] == pytest.approx(matching.agreement, abs=1e-12)
        assert row["code"] == pytest.approx(measures.code_agreement(matching, a.codes, b.codes), abs=1e-9)
        assert row["shared"] == measures.shared_fraction(matching, a.encoder, b.encoder)
        assert row["mmcs"] == pytest.approx(sum(measures.mmcs(matching)) / 2, abs=1e-12)
        projection = measures.projection_agreement(matching, a.atoms, b.atoms, covariance)
        assert row["projection"] == pytest.approx(projection, abs=1e-9)
        whitened = measures.whitened_agreement(matching, a.atoms, b.atoms, covariance)
        assert row["whitened"] == pytest.approx(whitened, abs=1e-9)
        rank = measures.carrying_rank(covariance, len(a.atoms))
        assert row["subspace"] == pytest.approx(measures.subspace_overlap(a.atoms, b.atoms, rank=rank).value, abs=1e-9)
        mass = [measures.firing_mass(measures.standardise(run.codes), run.atoms) for run in (a, b)]
        assert row["mass"] == pytest.approx(measures.mass_weighted_agreement(matching, *mass), abs=1e-9)
        living = [a.alive[i] and b.alive[j] for i, j in zip(matching.rows, matching.cols, strict=True)]
        assert row["alive"] == pytest.approx(matching.cosines[torch.tensor(living)].mean().item(), abs=1e-12)
        assert row["gap"] <= 1e-6
        assert (row["zero_a"], row["zero_b"]) == (0, 0)


def test_born_identical_pairs_agree_fully_at_step_0_and_less_later(table):
    within = table.filter(pl.col("relation") == "within")
    assert within.filter(pl.col("step") == 0)["agreement"].min() == pytest.approx(1.0)
    assert within.filter(pl.col("step") == LAST_STEP)["agreement"].max() < 1.0


def test_measures_are_symmetric_matrices_of_the_table(tmp_path):
    runs = {f"r{i}": {0: drawn(i), 10: drawn(i + 5)} for i in range(4)}
    made = hand_made(tmp_path, {"a@none": runs})
    pairs = measured(made)
    assert pairs.measures.keys() == MEASURES.keys()
    assert pairs.steps == (0, 10)
    for name, matrices in pairs.measures.items():
        assert matrices.shape == (2, 4, 4)
        assert matrices.diagonal(dim1=1, dim2=2).isnan().all()
        assert torch.equal(matrices.nan_to_num(9), matrices.mT.nan_to_num(9))
        row = rows_of(made).filter((pl.col("step") == 10) & (pl.col("run_a") == "r1") & (pl.col("run_b") == "r3"))
        assert matrices[1, 1, 3].item() == row[name].item()


def test_planted_relations_are_found(tmp_path):
    atoms, order = drawn(0), torch.randperm(7, generator=generator(3))
    runs = {
        "same": {0: atoms, 10: atoms},
        "permuted": {0: atoms[order], 10: atoms[order]},
        "scaled": {0: 2 * atoms, 10: 3 * atoms},
        "flipped": {0: -atoms, 10: -atoms},
        "other": {0: drawn(1), 10: atoms},
    }
    pairs = measured(hand_made(tmp_path, {"a@none": runs}))
    assert pairs.groups.tolist() == [0, 0, 0, 1, 2]
    first, last = pairs.measures["agreement"]
    assert torch.allclose(first[0, 1:3], torch.ones(2).double())
    assert torch.allclose(last[0, [1, 2, 4]], torch.ones(3).double())
    assert first[0, 4] < 0.9
    assert pairs.measures["code"][1, 0, 1].item() == pytest.approx(1.0)
    assert pairs.measures["shared"][1, 0, 2].item() == 1.0


def test_retention_explains_what_runs_born_identical_keep_and_no_more(tmp_path):
    atoms, moved = drawn(0, 7, 40), [drawn(i, 7, 40) for i in (1, 2)]
    runs = {f"r{i}": {0: atoms, 1: atoms, 10: atoms + change} for i, change in enumerate(moved)}
    pairs = measured(hand_made(tmp_path, {"a@none": runs}))
    explained, agreed = pairs.measures["explained"][:, 0, 1], pairs.measures["agreement"][:, 0, 1]
    assert explained[:2].tolist() == pytest.approx([1.0, 1.0])
    assert explained[2].item() == pytest.approx(agreed[2].item(), abs=0.1)  # each moved in a direction of its own
    assert explained[2] < 0.7


def test_zero_atoms_are_counted_and_leave_every_number_defined(tmp_path):
    atoms = torch.cat([drawn(0, 5), torch.zeros(2, 6)])
    runs = {f"r{i}": {0: atoms, 10: torch.cat([drawn(i, 5), torch.zeros(2, 6)])} for i in range(2)}
    made = hand_made(tmp_path, {"a@none": runs})
    pairs, table = measured(made), rows_of(made)
    assert pairs.groups.tolist() == [0, 0]
    assert table["zero_a"].to_list() == table["zero_b"].to_list() == [2, 2]
    assert table["agreement"][0] == pytest.approx(5 / 7)
    numbers = table.drop("persistence").select(pl.col(pl.Float64).is_nan().any())
    assert not numbers.row(0).count(True)


def test_persistence_is_the_share_of_pairs_that_the_snapshot_before_had(tmp_path):
    atoms, order = drawn(0), torch.tensor([1, 0, 2, 3, 4, 5, 6])
    runs = {"still": dict.fromkeys((0, 1, 10), atoms), "swaps": {0: atoms, 1: atoms[order], 10: atoms[order]}}
    pairs = measured(hand_made(tmp_path, {"a@none": runs}))
    persistence = pairs.measures["persistence"][:, 0, 1]
    assert persistence[0].isnan()
    assert persistence[1:].tolist() == pytest.approx([5 / 7, 1])


def test_identity_is_the_share_that_still_goes_with_its_birth_partner(tmp_path):
    atoms, order = drawn(0), torch.tensor([1, 0, 2, 3, 4, 5, 6])
    runs = {"still": dict.fromkeys((0, 10), atoms), "swaps": {0: atoms, 10: atoms[order]}}
    pairs = measured(hand_made(tmp_path, {"a@none": runs}))
    assert pairs.measures["identity"][:, 0, 1].tolist() == pytest.approx([1, (5 - 1) / (7 - 1)])


def test_atoms_that_fire_more_count_more_in_the_mass_weighted_agreement(tmp_path):
    atoms, heldout = torch.eye(7, 6), torch.eye(6).repeat(9, 1) * torch.tensor([1.0, 1, 1, 1, 1, 5])
    moved = atoms.clone()
    moved[0, :2] = torch.tensor([0.0, 1.0])  # a copy of atom 1: the token that atom 0 was for is lost
    runs = {f"r{i}": {0: ended} for i, ended in enumerate((atoms, moved))}
    pairs = measured(hand_made(tmp_path, {"a@none": runs}, heldout=heldout))
    weights = (1 / 10 + 1 / 10) / 2  # what the pair that lost its cosine carries: a tenth of either run
    assert pairs.measures["mass"][0, 0, 1].item() == pytest.approx(1 - weights)
    assert pairs.measures["agreement"][0, 0, 1].item() == pytest.approx(5 / 7)


def test_atoms_that_never_fire_do_not_count_among_the_alive(tmp_path):
    alive, heldout = drawn(0, 5), torch.rand(40, 6, generator=generator(4))
    runs = {f"r{i}": {0: torch.cat([alive, -drawn(9 + i, 2).abs()])} for i in range(2)}  # the last two see no token
    pairs = measured(hand_made(tmp_path, {"a@none": runs}, heldout=heldout))
    assert pairs.measures["alive"][0, 0, 1].item() == pytest.approx(1.0)
    assert pairs.measures["agreement"][0, 0, 1] < 0.99


def test_runs_are_compared_at_the_snapshots_that_all_of_them_have(tmp_path):
    runs = {"long": dict.fromkeys((0, 1, 5, 10), drawn(0)), "short": dict.fromkeys((0, 5), drawn(1))}
    assert measured(hand_made(tmp_path, {"a@none": runs})).steps == (0, 5)


def test_threads_do_not_change_a_number(tmp_path):
    runs = {f"r{i}": {0: drawn(i), 10: drawn(i + 5)} for i in range(4)}
    tables = []
    for threads in (1, 2, 3):
        folder = hand_made(tmp_path / str(threads), {"a@none": runs})
        measured(folder, threads=threads)
        tables.append(rows_of(folder))
    assert all(a.equals(b) for a, b in pairwise(tables))
