"""Which features come back, where it is planted which do: some in all runs, some in two, the rest in none."""

import hashlib
import json
import shutil
from itertools import combinations

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import save_file
from scipy.stats import binomtest

import reseed
import studies
from reseed.cli import main
from reseed.errors import DictionaryError, SpecError, TrajectoryError
from reseed.measures import standardise
from reseed.reappearance import (
    COLUMNS,
    SORTED,
    coming_back,
    features_of,
    find_features,
    flat,
    listed,
    study_runs,
    write_features,
)
from reseed.reappearance.texts import fires_on
from reseed.report.features_text import render
from reseed.spec import FeatureRule, Floors, Study

N_ATOMS, D_MODEL, COMMON, OF_TWO = 60, 32, 20, 10
LABELS = ("run0", "run1", "run2")


def noise(*shape, seed=0):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def order(run):
    return torch.randperm(N_ATOMS, generator=torch.Generator().manual_seed(100 + run))


def atoms_of(run, jitter=0.3):
    """Of run 0, 1 and 2: 20 that all have, 10 that 0 and 1 have, and its own; in an order of its own."""
    atoms = noise(N_ATOMS, D_MODEL, seed=10 + run)
    atoms[:COMMON] = noise(COMMON, D_MODEL, seed=1)
    if run < 2:
        atoms[COMMON : COMMON + OF_TWO] = noise(OF_TWO, D_MODEL, seed=2)
    atoms = atoms + jitter * noise(N_ATOMS, D_MODEL, seed=20 + run)
    return atoms[order(run)]


def planted(folder, runs=3, name="run"):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{name}{run}.safetensors" for run in range(runs)]
    for run, path in enumerate(paths):
        save_file({"atoms": atoms_of(run).contiguous()}, path)
    return paths


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return find_features(*planted(tmp_path_factory.mktemp("planted")), labels=LABELS)


def kinds(run):
    """0 of what all runs have, 1 of what two have, 2 of its own, by atom."""
    kind = torch.full((N_ATOMS,), 2)
    kind[:COMMON] = 0
    if run < 2:
        kind[COMMON : COMMON + OF_TWO] = 1
    return kind[order(run)].tolist()


def test_every_atom_comes_back_where_it_is_planted(found):
    wanted = [{0: 1.0, 1: 0.5, 2: 0.0}[kind] for run in range(3) for kind in kinds(run)]
    assert found.table["reappearance"].to_list() == wanted
    assert found.table["many_to_one"].to_list() == wanted
    assert found.table.columns == list(COLUMNS)
    assert found.table.height == 3 * N_ATOMS


def test_partners_are_those_of_the_matching_seen_from_both_sides(found):
    atoms = [atoms_of(run) for run in range(3)]
    rows = {(row["run"], row["atom"]): row for row in found.table.to_dicts()}
    for i, j in combinations(range(3), 2):
        matching = reseed.match(atoms[i], atoms[j])
        first, second = (torch.nn.functional.normalize(atoms[run].double(), dim=1) for run in (i, j))
        cosines = first @ second.T
        matched = (each.tolist() for each in (matching.rows, matching.cols, matching.cosines))
        for row, col, cosine in zip(*matched, strict=True):
            there = next(each for each in rows[f"run{i}", row]["partners"] if each["run"] == f"run{j}")
            back = next(each for each in rows[f"run{j}", col]["partners"] if each["run"] == f"run{i}")
            assert (there["atom"], back["atom"]) == (col, row)
            assert there["cosine"] == back["cosine"] == pytest.approx(cosine, abs=1e-6)
            assert there["back"] is back["back"] is (cosine >= 0.7)
            assert there["rank"] == int((cosines[row] > cosines[row, col] + 1e-6).sum()) + 1
            assert back["rank"] == int((cosines[:, col] > cosines[row, col] + 1e-6).sum()) + 1


def test_the_interval_is_the_exact_one_over_runs(found):
    for row in found.table.rows(named=True)[:70]:
        wanted = binomtest(round(2 * row["reappearance"]), 2).proportion_ci(method="exact")
        assert (row["low"], row["high"]) == pytest.approx((wanted.low, wanted.high))


def test_crowding_is_the_nearest_neighbour_at_home(found):
    atoms = torch.nn.functional.normalize(atoms_of(1).double(), dim=1)
    cosines = (atoms @ atoms.T).fill_diagonal_(-1)
    own = found.table.filter(pl.col("run") == "run1")
    assert own["crowding"].to_numpy() == pytest.approx(cosines.max(dim=1).values.numpy(), abs=1e-6)
    assert own["neighbour"].to_list() == cosines.argmax(dim=1).tolist()


def test_classes_over_runs_are_counted(found):
    (recipe,) = found.document.recipes
    assert recipe.recapture.frequencies == (3 * N_ATOMS - 3 * COMMON - 2 * OF_TWO, OF_TWO, COMMON)
    assert recipe.recapture.broken == 0
    of_all = found.table.filter(pl.col("reappearance") == 1)
    assert of_all.group_by("class").len()["len"].to_list() == [3] * COMMON
    assert f"{3 * COMMON} come back in both others" in recipe.sentence


def test_without_codes_and_without_a_null_both_are_said(found):
    (recipe,) = found.document.recipes
    assert recipe.code is None
    assert recipe.null == "random directions with their own mean and covariance"
    assert recipe.null_reappearance.value < 0.05
    assert any("cosines alone decide" in each for each in found.document.warnings)
    assert any("give --null" in each for each in found.document.warnings)
    assert found.table["fired"].null_count() == found.table.height


def test_random_directions_come_back_as_often_as_the_null_says(tmp_path):
    paths = [tmp_path / f"run{run}.npy" for run in range(3)]
    for run, path in enumerate(paths):
        np.save(path, noise(200, 8, seed=run).numpy())
    (recipe,) = find_features(*paths, cosine=0.9).document.recipes
    assert recipe.reappearance.value == pytest.approx(recipe.null_reappearance.value, abs=0.06)
    crowding = next(each for each in recipe.strata if each.by == "crowding")
    for stratum in crowding.strata:
        assert stratum.many_to_one == pytest.approx(stratum.null_many_to_one, abs=0.15)
    assert crowding.strata[-1].many_to_one >= crowding.strata[0].many_to_one - 0.1


def test_dictionaries_of_unequal_size_leave_atoms_without_partner(tmp_path):
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    np.save(paths[0], noise(30, 8, seed=1).numpy())
    np.save(paths[1], noise(20, 8, seed=2).numpy())
    with pytest.raises(DictionaryError, match="of 2 recipes"):
        find_features(*paths)
    table = find_features(*paths, groups=["one", "one"]).table
    assert table.filter(pl.col("run") == "a.npy")["partners"].list.len().sum() == 20
    assert table.filter(pl.col("run") == "b.npy")["partners"].list.len().sum() == 20


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    acts = studies.matrix(folder / "acts.npy", 3000)
    arm = studies.arm("topk", start={"kind": "random"}, learning_rate=1e-2)
    small = studies.study(acts, arm, floors=Floors(), steps=300, preprocess=("none",), starts=3, runs_per_start=2)
    reseed.run(small, folder / "study")
    return folder / "study"


def test_of_a_study_one_run_of_every_start_counts_and_its_surrogate_is_the_null(study):
    found = find_features(study)
    (recipe,) = found.document.recipes
    assert len(recipe.runs) == 3
    assert len(recipe.left_out) == 3
    assert {run.split(".")[1] for run in recipe.runs} == {"s0", "s1", "s2"}
    assert recipe.null == "runs of the recipe on rows without structure"
    assert recipe.code == 0.5
    assert not any("not shown" in each for each in found.document.warnings)
    assert recipe.reappearance.value > recipe.null_reappearance.value + 0.2
    assert recipe.recapture.at_least.low <= studies.N_ATOMS
    fired = found.table["fired"].to_numpy()
    snapshot = reseed.read_dictionary(study / "runs" / recipe.runs[0])
    assert found.table["norm"].to_numpy()[: studies.N_ATOMS] == pytest.approx(snapshot.atoms.norm(dim=1).numpy())
    assert ((fired > 0) == (found.table["mass"].to_numpy() > 0)).all()
    assert found.table.group_by("run").agg(pl.col("mass").sum())["mass"].to_list() == pytest.approx([1.0] * 3)


def test_what_had_the_cosine_at_step_0_is_told(study, tmp_path):
    recipe = find_features(study).document.recipes[0]
    born = [reseed.read_dictionary(study / "runs" / run / "step-000000.safetensors").atoms for run in recipe.runs]
    shares = [float((reseed.match(a, b).cosines >= recipe.cosine).double().mean()) for a, b in combinations(born, 2)]
    assert recipe.at_start.value == pytest.approx(np.mean(shares))
    assert "at step 0, before any training, " in recipe.sentence
    alone = find_features(*planted(tmp_path)).document
    assert alone.recipes[0].at_start is None
    assert "step 0" not in alone.recipes[0].sentence
    assert any("what came back at step 0 already is not known" in told for told in alone.warnings)


def test_a_start_that_runs_share_in_kind_is_not_taken_for_training(tmp_path):
    acts = studies.matrix(tmp_path / "acts.npy", 3000)
    arm = studies.arm("topk", start={"kind": "kmeans", "kmeans_steps": 10})
    small = studies.study(acts, arm, steps=1, preprocess=("centre",), starts=3, runs_per_start=1)
    reseed.run(small, tmp_path / "study")
    (recipe,) = find_features(tmp_path / "study", code=-1.0).document.recipes
    assert recipe.at_start.value > 0.2
    assert recipe.at_start.value == pytest.approx(recipe.reappearance.value, abs=0.1)  # after one step


def test_the_joint_rule_is_never_easier_than_that_of_cosines(study):
    joint, alone = (find_features(study, code=code).table["reappearance"].to_numpy() for code in (0.9, -1.0))
    assert (joint <= alone).all()
    assert (joint < alone).any()


def test_the_table_is_written_and_the_study_stays_whole(study, tmp_path):
    found = find_features(study)
    written = write_features(found, csv=tmp_path / "features.csv")
    assert written == (tmp_path / "features.csv", study / "features.parquet")
    assert pl.read_parquet(written[1]).equals(found.table)
    wide = pl.read_csv(written[0])
    assert wide.height == found.table.height
    first, second = found.document.recipes[0].runs[:2]
    own = wide.filter(pl.col("run") == first)
    assert own[f"cosine[{first}]"].null_count() == own.height
    assert own[f"cosine[{second}]"].null_count() == 0
    assert reseed.rejudge(study).conditions[0].verdict
    assert reseed.features(study).equals(found.table)


def test_features_are_listed_by_any_column(study):
    table = find_features(study).table
    for column in SORTED:
        values = [row[column] for row in listed(table, run=None, sort=column, top=20)]
        assert values == sorted(values, reverse=True)
    run = table["run"][-1]
    assert {row["run"] for row in listed(table, run=run, sort="cosine", top=5)} == {run}
    with pytest.raises(SpecError, match=r"features cannot be sorted by 'cosin'; did you mean cosine\?"):
        listed(table, run=None, sort="cosin", top=5)
    with pytest.raises(SpecError, match="there is no run 'x'"):
        listed(table, run="x", sort="cosine", top=5)


def test_the_document_has_the_rows_and_the_text_fits(study):
    found = find_features(study)
    written = json.loads(found.whole.model_dump_json())
    assert len(written["rows"]) == found.table.height
    assert written["rows"][0]["partners"][0].keys() == {"run", "atom", "cosine", "encoder", "code", "rank", "back"}
    text = render(found.document, listed(found.table, run=None, sort="mass", top=4), width=80, colour=False)
    assert max(map(len, text.splitlines())) <= 80
    for said in (
        "of the matched atoms come back in another run",
        "a further run would bring",
        "Come back most",
        "crowding",
    ):
        assert said in " ".join(text.split())
    assert flat(found.table).height == found.table.height


def test_a_space_that_runs_share_by_other_atoms_is_a_block(tmp_path):
    """Four dimensions of which every run has a basis of its own, beside common atoms and atoms of its own."""
    space = torch.linalg.qr(noise(D_MODEL, 4, seed=1)).Q.T
    paths = []
    for run in range(4):
        turned = torch.linalg.qr(noise(4, 4, seed=50 + run)).Q @ space
        atoms = torch.cat([noise(20, D_MODEL, seed=2), turned, noise(40, D_MODEL, seed=60 + run)])
        paths.append(tmp_path / f"run{run}.npy")
        np.save(paths[-1], (atoms + 0.05 * noise(64, D_MODEL, seed=70 + run)).numpy())
    found = find_features(*paths, with_blocks=True)
    (recipe,) = found.document.recipes
    sizes = found.table["block"].to_numpy().reshape(4, 64)
    assert (sizes[:, :20] == 1).all()
    assert (sizes[:, 20:24] == 4).mean() >= 0.75
    assert (sizes[:, 24:] == 0).mean() >= 0.95
    assert recipe.blocks.alone + sum(recipe.blocks.sizes) + recipe.blocks.nothing == 4 * 64
    assert recipe.blocks.explained == ()
    assert find_features(*paths).document.recipes[0].blocks is None


def test_variance_is_split_exactly_into_atom_block_and_neither(study):
    found = find_features(study, with_blocks=True)
    (recipe,) = found.document.recipes
    assert len(recipe.blocks.explained) == 3
    for each in recipe.blocks.explained:
        assert each.atom + each.block + each.neither + each.unexplained == pytest.approx(1)
        assert each.atom > 0.3
    assert "explain" in recipe.blocks.sentence
    assert recipe.blocks.sentence in " ".join(render(found.document, [], width=80, colour=False).split())


def test_two_finds_are_equal_to_the_bit(found, tmp_path):
    again = find_features(*planted(tmp_path), labels=LABELS)
    assert again.table.equals(found.table)


def test_runs_that_share_their_indices_are_not_called_independent(tmp_path):
    for run, path in enumerate(paths := [tmp_path / "a.npy", tmp_path / "b.npy"]):
        np.save(path, (noise(N_ATOMS, D_MODEL, seed=1) + 0.3 * noise(N_ATOMS, D_MODEL, seed=2 + run)).numpy())
    (recipe,) = find_features(*paths).document.recipes
    assert recipe.reappearance.value == 1
    assert recipe.sentence.startswith("Born alike: a.npy and b.npy share the indices of their atoms")


def test_independent_runs_are_not_called_born_alike(found):
    assert "Born alike" not in found.document.recipes[0].sentence


def test_a_null_of_another_width_or_size_is_refused(tmp_path):
    paths = planted(tmp_path)
    for name, shape in (("width", (N_ATOMS, D_MODEL + 1)), ("size", (N_ATOMS + 1, D_MODEL))):
        nulls = [tmp_path / f"{name}{run}.npy" for run in range(2)]
        for run, path in enumerate(nulls):
            np.save(path, noise(*shape, seed=run).numpy())
        with pytest.raises(DictionaryError, match=r"dimensions|no recipe that is compared"):
            find_features(*paths, null=nulls)


def test_what_cannot_be_asked_is_refused(tmp_path, study):
    paths = planted(tmp_path)
    with pytest.raises(SpecError, match=r"run0.safetensors is no study: give the folder of a study, or two"):
        find_features(paths[0])
    with pytest.raises(SpecError, match="one dictionary was given as --null"):
        find_features(*paths, null=[paths[0]])
    with pytest.raises(SpecError, match="is a study, which has runs and nulls of its own"):
        find_features(study, paths[0])
    with pytest.raises(DictionaryError, match=r"the same bytes in two places|one file given twice"):
        find_features(paths[0], paths[0])


def test_runs_of_one_start_have_nothing_to_come_back_in(tmp_path):
    acts = studies.matrix(tmp_path / "acts.npy")
    reseed.run(studies.study(acts, starts=1, steps=6), tmp_path / "study")
    with pytest.raises(TrajectoryError, match="no condition with two finished runs that started apart"):
        find_features(tmp_path / "study")


def test_texts_show_where_a_feature_fires_most():
    codes = torch.zeros(8, 2)
    codes[[2, 3, 6], 1] = torch.tensor([1.0, 3.0, 2.0])
    texts = ["We", " will", " go", " to", "\n", "the", " moon", "."]
    windows = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert fires_on(standardise(codes), 1, texts, windows, most=3) == ("We will go ⟦to⟧", "the ⟦moon⟧.")
    assert fires_on(standardise(codes), 0, texts, windows, most=3) == ()


def told_by(study, rule):
    """The study with these lines at the end of its study.toml."""
    toml = study / "study.toml"
    toml.write_text(f"{toml.read_text(encoding='utf-8').partition('[features]')[0]}{rule}", encoding="utf-8")
    return study


def test_a_study_says_when_a_feature_comes_back_unless_it_is_asked_otherwise(study, tmp_path):
    copied = shutil.copytree(study.parent, tmp_path / "copied") / "study"
    assert find_features(told_by(copied, "")).table.equals(find_features(study).table)
    strict = find_features(told_by(copied, "[features]\ncosine = 0.95\ncode = 0.9\n"))
    (recipe,) = strict.document.recipes
    assert (recipe.cosine, recipe.code) == (0.95, 0.9)
    assert strict.table.equals(find_features(study, cosine=0.95, code=0.9).table)
    (recipe,) = find_features(copied, code=0.2).document.recipes
    assert (recipe.cosine, recipe.code) == (0.95, 0.2)
    with pytest.raises(TrajectoryError, match=r"study.toml: \[features\] cosine: has to be at most 1 \(given: 1.5\)"):
        find_features(told_by(copied, "[features]\ncosine = 1.5\n"))
    with pytest.raises(TrajectoryError, match=r"study.toml: \[features\] cosin: "):
        find_features(told_by(copied, "[features]\ncosin = 0.5\n"))


def test_another_threshold_of_features_trains_nothing_again(study, tmp_path):
    copied = shutil.copytree(study.parent, tmp_path / "copied") / "study"
    asked = Study.read(copied / "study.toml")
    changed = asked.model_copy(update={"features": FeatureRule(cosine=0.9)})
    assert changed.digest == asked.digest
    before = {run.name: studies.contents(run) for run in (copied / "runs").iterdir()}
    reseed.run(changed, copied)
    assert {run.name: studies.contents(run) for run in (copied / "runs").iterdir()} == before
    assert find_features(copied).document.recipes[0].cosine == 0.9


def test_a_study_that_is_run_keeps_its_features_and_their_sum(study, tmp_path):
    copied = shutil.copytree(study.parent, tmp_path / "copied") / "study"
    path = copied / "features.parquet"
    kept, written = path.read_bytes(), path.stat().st_mtime_ns
    assert pl.read_parquet(path).equals(find_features(copied).table)
    digest = hashlib.sha256(kept).hexdigest()
    assert f"{digest}  features.parquet\n" in (copied / "SHA256SUMS").read_text(encoding="utf-8")
    asked = Study.read(copied / "study.toml")
    reseed.run(asked, copied)
    assert path.stat().st_mtime_ns == written  # what is there is not made again
    path.unlink()
    reseed.run(asked, copied)
    assert path.read_bytes() == kept
    write_features(find_features(copied))
    assert path.read_bytes() == kept
    write_features(find_features(copied, cosine=0.95))  # by another rule: none of the study's
    assert path.read_bytes() == kept
    path.write_bytes(kept[:-1] + b"0")
    with pytest.raises(TrajectoryError, match=r"features.parquet is not what was written"):
        reseed.run(asked, copied)


def test_matchings_that_a_study_has_compared_are_not_searched_again(study, monkeypatch):
    searched = []
    real = coming_back.match

    def match(a, b, **how):
        searched.append(1)
        return real(a, b, **how)

    monkeypatch.setattr(coming_back, "match", match)
    found = find_features(study).table
    assert len(searched) == 3  # those of the surrogate, which are not kept
    monkeypatch.setattr(study_runs, "_matched", lambda *_: {})
    assert find_features(study).table.equals(found)
    assert len(searched) == 3 + 6


def test_a_study_without_independent_runs_keeps_no_features(tmp_path):
    acts = studies.matrix(tmp_path / "acts.npy")
    reseed.run(studies.study(acts, starts=1, steps=6), tmp_path / "study")
    assert not (tmp_path / "study" / "features.parquet").exists()


def test_the_features_of_a_comparison_are_those_of_the_recipe_alone(tmp_path):
    paths = planted(tmp_path)
    other = tmp_path / "other.npy"
    np.save(other, noise(N_ATOMS + 1, D_MODEL, seed=7).numpy())
    compared = reseed.compare(*paths, other, labels=[*LABELS, "other"])
    found = features_of(compared, *paths, other)
    alone = find_features(*paths, labels=LABELS)
    assert found.table.drop("recipe").equals(alone.table.drop("recipe"))
    here, there = (each.document.recipes[0].model_copy(update={"name": ""}) for each in (found, alone))
    assert here == there
    with pytest.raises(SpecError, match="no two of these dictionaries are of one recipe"):
        features_of(reseed.compare(paths[0], other), paths[0], other)


def test_compare_writes_features_beside_what_it_says(tmp_path, capsys):
    paths = planted(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, paths), "--features", str(tmp_path / "features.parquet"), "--quiet"])
    told = capsys.readouterr()
    assert ended.value.code == 0
    assert told.err.strip().endswith("features.parquet")
    assert pl.read_parquet(tmp_path / "features.parquet").equals(find_features(*paths).table)


def test_compare_writes_the_page_of_features_where_it_is_to_be_one(tmp_path, capsys):
    paths = planted(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, paths), "--features", str(tmp_path / "features.html"), "--quiet"])
    assert (ended.value.code, capsys.readouterr().err.splitlines()[-1]) == (0, str(tmp_path / "features.html"))
    page = (tmp_path / "features.html").read_text(encoding="utf-8")
    assert find_features(*paths).document.recipes[0].recapture.sentence in page
