"""What judging makes of the tables is what is in them, and it opens nothing else."""

import math
from itertools import combinations

import polars as pl
import pytest
import torch

from registering import unchanged_tables
from reseed import floors
from reseed.analysis import judge_study
from reseed.analysis.tables import floors_of, pairs_of, strictest
from reseed.dice import generator
from reseed.floors import FLOORS, Floor, FloorKind
from reseed.measures import MEASURES
from reseed.pipeline.rejudge import rejudge
from reseed.trajectory import Compared, ComparedRun, DrawnFloor, StudyFolder
from studies import begun_again, contents, hand_made

RUNS, GROUPS, STEPS = ("a", "b", "c", "d"), (0, 0, 1, 2), (0, 3, 10)
N_ATOMS, D_MODEL, RANK = 12, 10, 4
MECHANISMS = {name for name, measure in MEASURES.items() if measure.role == "mechanism"}
OF_CODES = {"code"}
DRAWS = {"data": 4, "kmeans": 3}


def number(*name):
    """A number of its own for every place in a table."""
    return torch.rand((), generator=generator(5, *name), dtype=torch.float64).item()


def about(**changes):
    return Compared(
        reseed="0",
        runs=tuple(
            ComparedRun(id=run_id, init_group=group, stable_rank=1.0, atom_norm_squared=1.0)
            for run_id, group in zip(RUNS, GROUPS, strict=True)
        ),
        steps=STEPS,
        measures=tuple(MEASURES),
        floors=tuple(DrawnFloor(name=name, n=n, policy=f"{name}, so made", recipe={}) for name, n in DRAWS.items()),
        n_atoms=N_ATOMS,
        d_model=D_MODEL,
        sign="signed",
        subspace_rank=RANK,
    ).model_copy(update=changes)


def pairs_table():
    """Every pair at every step, and what is none of the matrices: a child, a step that not all have, another run."""
    groups = dict(zip(RUNS, GROUPS, strict=True))
    named = [
        (step, a, b, "within" if groups[a] == groups[b] else "between") for step in STEPS for a, b in pairs_of_runs()
    ]
    named += [
        (10, "a", "child", "spawned"),
        (10, "a", "b", "spawned"),
        (5, "a", "b", "within"),
        (10, "a", "e", "between"),
    ]
    return pl.DataFrame(
        [
            {"step": step, "run_a": a, "run_b": b, "relation": relation}
            | {name: number(name, step, a, b, relation) for name in MEASURES}
            for step, a, b, relation in named
        ]
    )


def pairs_of_runs():
    return list(combinations(RUNS, 2))


def floors_table():
    return pl.DataFrame(
        [
            {"floor": floor, "draw_a": i, "draw_b": j} | {name: number(name, floor, i, j) for name in untrained()}
            for floor, n in DRAWS.items()
            for i, j in combinations(range(n), 2)
        ]
    )


def untrained():
    return [name for name, measure in MEASURES.items() if measure.untrained]


def by_name(measure, **changes):
    """The floors of one measure."""
    said = about(**changes)
    return {
        floor.name: floor for floor in floors_of(MEASURES[measure], pairs_of(said, pairs_table()), said, floors_table())
    }


def over_draws(values, n):
    """Mean over the pairs of draws, its error by leaving out each draw in turn, and the spread of the pairs."""
    mean = math.fsum(values.values()) / len(values)
    left = []
    for out in range(n):
        kept = [value for pair, value in values.items() if out not in pair]
        left.append(math.fsum(kept) / len(kept))
    middle = math.fsum(left) / n
    error = math.sqrt((n - 1) / n * sum((each - middle) ** 2 for each in left))
    spread = math.sqrt(sum((value - mean) ** 2 for value in values.values()) / (len(values) - 1))
    return mean, error, spread


def test_every_number_of_the_table_is_in_its_place_on_both_sides_of_the_diagonal():
    pairs = pairs_of(about(), pairs_table())
    assert (pairs.steps, pairs.ids, pairs.groups.tolist()) == (STEPS, RUNS, list(GROUPS))
    assert pairs.measures.keys() == MEASURES.keys()
    relation = {True: "within", False: "between"}
    for name, matrices in pairs.measures.items():
        assert matrices.shape == (len(STEPS), len(RUNS), len(RUNS))
        assert matrices.diagonal(dim1=1, dim2=2).isnan().all()
        assert torch.equal(matrices.nan_to_num(9), matrices.mT.nan_to_num(9))
        for place, step in enumerate(STEPS):
            for i, j in combinations(range(len(RUNS)), 2):
                expected = number(name, step, RUNS[i], RUNS[j], relation[GROUPS[i] == GROUPS[j]])
                assert matrices[place, i, j].item() == expected


def test_the_order_of_the_rows_changes_nothing():
    first, second = (pairs_of(about(), table).measures for table in (pairs_table(), pairs_table().reverse()))
    assert all(torch.equal(first[name].nan_to_num(9), second[name].nan_to_num(9)) for name in MEASURES)


def test_pairs_apart_are_those_of_other_init_groups_each_once():
    apart = pairs_of(about(), pairs_table()).apart
    assert apart.nonzero().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize("measure", [name for name, each in MEASURES.items() if each.untrained])
def test_a_floor_that_is_drawn_is_the_mean_over_pairs_of_draws_with_the_error_over_draws(measure):
    found = by_name(measure)
    for name, n in DRAWS.items():
        values = {(i, j): number(measure, name, i, j) for i, j in combinations(range(n), 2)}
        floor = found[name]
        assert (floor.value, floor.standard_error, floor.spread) == pytest.approx(over_draws(values, n))
        assert (floor.n, floor.policy, floor.reason) == (n, f"{name}, so made", "")


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        *((name, floors.isotropic(D_MODEL, N_ATOMS)) for name in ("agreement", "mmcs", "alive", "mass")),
        ("subspace", RANK / D_MODEL),
        ("replicated", 0),
        *(
            (name, None)
            for name in MEASURES
            if name not in {"agreement", "mmcs", "alive", "mass", "subspace", "replicated"}
        ),
    ],
)
def test_random_directions_have_a_formula_for_the_measures_that_it_is_known_of(measure, value):
    floor = by_name(measure).get("isotropic")
    assert (floor and floor.value) == value
    if floor is not None:
        assert (floor.spread, floor.standard_error, floor.n) == (0.0, 0.0, 0)
        assert floor.policy == FLOORS["isotropic"].policy


def test_where_the_sign_is_open_so_is_that_of_random_directions():
    floor = by_name("agreement", sign="abs")["isotropic"]
    assert floor.value == floors.isotropic(D_MODEL, N_ATOMS, sign="abs") > floors.isotropic(D_MODEL, N_ATOMS)


@pytest.mark.parametrize("measure", [name for name in MEASURES if name not in MECHANISMS])
def test_step_0_is_what_runs_of_other_starts_agree_there_with_the_error_over_starts(measure):
    floor = by_name(measure)["step 0"]
    values = {
        (i, j): number(measure, 0, RUNS[i], RUNS[j], "between")
        for i, j in combinations(range(len(RUNS)), 2)
        if GROUPS[i] != GROUPS[j]
    }
    left = []
    for start in set(GROUPS):
        kept = [value for pair, value in values.items() if start not in {GROUPS[place] for place in pair}]
        left.append(math.fsum(kept) / len(kept))
    middle = math.fsum(left) / 3
    assert floor.value == pytest.approx(math.fsum(values.values()) / len(values))
    assert floor.standard_error == pytest.approx(math.sqrt(2 / 3 * sum((each - middle) ** 2 for each in left)))
    assert floor.n == 3
    assert floor.policy == FLOORS["step 0"].policy


def test_without_runs_of_other_starts_there_is_no_step_0():
    alike = tuple(run.model_copy(update={"init_group": 0}) for run in about().runs)
    assert list(by_name("agreement", runs=alike)) == ["isotropic", "data", "kmeans"]


def test_floors_stand_in_the_order_of_their_table():
    assert list(by_name("agreement")) == [
        name for name in FLOORS if name not in {"hull", "surrogate"}
    ]  # neither is there


def test_measures_of_a_mechanism_have_no_floors_and_those_of_codes_none_that_is_drawn():
    assert {name for name, measure in MEASURES.items() if measure.role == "mechanism"} == MECHANISMS
    assert all(by_name(name) == {} for name in MECHANISMS)
    assert {name: list(by_name(name)) for name in OF_CODES} == {"code": ["step 0"]}


def test_floors_of_the_agreement_and_of_what_it_equals_without_dead_atoms_are_as_many():
    assert by_name("agreement").keys() == by_name("alive").keys() == by_name("mass").keys()


def test_a_floor_that_is_drawn_is_of_no_value_where_a_pair_has_none():
    said = about()
    pairs, table = pairs_of(said, pairs_table()), floors_table()
    lost = table.with_columns(pl.when(pl.col("draw_b") == 2).then(math.nan).otherwise("agreement").alias("agreement"))
    found = {floor.name: floor for floor in floors_of(MEASURES["agreement"], pairs, said, lost)}
    assert math.isnan(found["kmeans"].value)
    assert found["kmeans"].reason == "a pair of draws has no agreement"
    assert strictest((found["kmeans"],)) is None


@pytest.fixture
def registered():
    """A floor that exists only here: a formula for two measures."""
    known = {"agreement": 0.96875, "projection": 0.125}
    kind = FloorKind(
        name="sphere",
        title="sphere",
        gives="spheres",
        meaning="what a sphere would give",
        policy="by the formula of a test",
        role="null",
        exact=lambda measure, sizes: known[measure] * sizes.n_atoms / N_ATOMS if measure in known else None,
    )
    with unchanged_tables():
        FLOORS["sphere"] = kind
        yield known
    assert "sphere" not in FLOORS


def test_a_floor_that_is_registered_with_a_formula_is_one_of_the_floors(registered):
    for name in MEASURES:
        floor = by_name(name).get("sphere")
        assert (floor and (floor.value, floor.n, floor.policy)) == (
            (registered[name], 0, "by the formula of a test") if name in registered else None
        )
    assert list(by_name("agreement"))[-1] == "sphere"


def test_a_floor_that_is_registered_judges_where_it_is_the_strictest(registered, tmp_path):
    drawn = {f"s{i}": {0: atoms(i), 10: atoms(i) + atoms(9)} for i in range(3)}
    agreement = rejudge(hand_made(tmp_path, {"topk@none": drawn}).path, quiet=True).conditions[0].agreement
    assert agreement.strictest == "sphere"
    assert agreement.floor.value == registered["agreement"]
    adjusted = (agreement.between.last.value - 0.96875) / (1 - 0.96875)
    assert agreement.between.adjusted.value == pytest.approx(adjusted)


def atoms(which):
    return torch.randn(N_ATOMS, D_MODEL, generator=generator(which))


def floor_of(name, value):
    return Floor(name=name, role="null", value=value, spread=0.0, standard_error=0.0, n=0, policy="by hand")


def test_the_strictest_floor_is_the_largest_and_the_first_of_equal_ones():
    low, high, undefined = floor_of("low", 0.1), floor_of("high", 0.4), floor_of("undefined", math.nan)
    assert strictest((low, high)) is strictest((high, low)) is high
    assert strictest((undefined, low)) is strictest((low, undefined)) is low
    assert strictest((high, floor_of("as high", 0.4), low)) is high
    assert strictest((floor_of("below", -0.2), floor_of("further", -0.5))).name == "below"
    assert strictest(()) is strictest((undefined,)) is None


# Judging opens no dictionary.


def test_judging_needs_the_tables_and_not_one_dictionary(tmp_path_factory, tmp_path):
    path = begun_again(tmp_path_factory, tmp_path)
    before = (path / "findings.json").read_bytes()
    dictionaries = [*path.glob("runs/*/*.safetensors"), *path.glob("floors/**/*.safetensors"), *path.glob("points/*")]
    for file in dictionaries:
        file.write_bytes(b"")  # the name of a snapshot says of which step it is
    tables = contents(path / "compared")
    (path / "findings.json").unlink()
    judge_study(StudyFolder.open(path))
    assert (path / "findings.json").read_bytes() == before
    assert contents(path / "compared") == tables
    assert len(dictionaries) > 60
