"""What comes in kinds can come from outside: each entry here is defined in this file and registered in a public table.

A method with codes of its own, one whose codes no relu(E x + b) can give, a learner without gradients, a start, a
measure, a floor, a reader and a writer go the whole way: training, comparing, barriers, judging, the three reports, the
tables.
"""

import math
import re
import runpy
from itertools import combinations
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import polars as pl
import pytest
import torch

import reseed
from registering import unchanged_tables
from reseed._support.settings import NEUTRAL
from reseed.activations import open_activations, preprocessed
from reseed.cli import main
from reseed.dice import generator
from reseed.errors import DictionaryError, SpecError
from reseed.floors import FloorKind
from reseed.interop import LoadedDictionary, Reader, Writer, Written
from reseed.matching import match
from reseed.measures import Measure
from reseed.methods import Autoencoder, BatchOutcome, GradientMethod, Method, encoder_parts, inputs, parse, unit_rows
from reseed.pipeline.barriers import barrier, loss, permuted, read_parameters
from reseed.pipeline.tune import tune
from reseed.report.html import page
from reseed.report.text import render
from reseed.spec.fields import describe
from reseed.starts import Points, StartKind
from reseed.training import train
from reseed.trajectory import StudyFolder
from studies import N_ATOMS, contents, context, matrix, specs_of, study

ROOT = Path(__file__).parents[1]
LAST = 40
BANDWIDTH = 0.1  # of the rectangle kernel


class JumpReLU(Autoencoder):
    """Codes z = y 1[y > theta], y = relu(E u + b_enc), with a threshold for each atom that is learnt like all else.

    Loss: mean squared error + l0 times the mean number of active atoms, the steps' gradients those of a rectangle.
    """

    title: ClassVar[str] = "JumpReLU"
    per_atom: ClassVar[tuple[str, ...]] = (*Autoencoder.per_atom, "threshold")

    kind: Literal["test-jumprelu"] = "test-jumprelu"
    learning_rate: float = 1e-2
    l0: float = 1e-3
    """Penalty for an active atom."""

    @property
    def trained(self):
        return ("atoms", "encoder", "encoder_bias", "decoder_bias", "log_threshold")

    def first_state(self, point, rolled_encoder):
        atoms = unit_rows(point.atoms.float())
        settings = {"k": self.n_atoms, "start": self.encoder_start, "decoder_bias": True, "rescale": self.rescale}
        parts = encoder_parts(point, atoms, rolled_encoder, **settings)
        return {"atoms": atoms.unsqueeze(0), "log_threshold": torch.full((1, self.n_atoms), math.log(0.05)), **parts}

    def project(self, state):
        state["atoms"].copy_(unit_rows(state["atoms"]))

    def dictionary(self, state):
        return state["atoms"]

    def beside(self, state):
        return {"threshold": state["log_threshold"].exp() * state["scale"].view(-1, 1)}

    def encode(self, parameters, x):
        y = (x @ parameters["encoder"].mT + parameters["encoder_bias"].unsqueeze(1)).relu()
        return y * (y > parameters["threshold"].unsqueeze(1))

    def gradients(self, state, x):
        leaves = {name: state[name].clone().requires_grad_() for name in self.trained}
        u = inputs({**state, **leaves}, x)
        y = (u @ leaves["encoder"].mT + leaves["encoder_bias"].unsqueeze(1)).relu()
        threshold = leaves["log_threshold"].exp().unsqueeze(1)
        near = ((y - threshold).abs() < BANDWIDTH / 2).to(y) / BANDWIDTH
        active = (y > threshold).to(y)
        step = active + (near * (threshold.detach() - threshold)) - (near * (threshold.detach() - threshold)).detach()
        codes = y * step
        error = (u - codes @ leaves["atoms"]).square().mean((1, 2))
        value = error + self.l0 * step.sum(-1).mean(1)
        grads = torch.autograd.grad(value.sum(), list(leaves.values()))
        outcome = BatchOutcome(loss=value.detach(), fired=active.bool().any(1))
        return dict(zip(self.trained, grads, strict=True)), outcome


class MatchingPursuit(GradientMethod):
    """k times: the atom with the largest |projection| of what is left takes it away. Loss: what is left after k.

    Codes come with their sign, so that an atom and its negative are one: agreement is that of absolute cosines.
    """

    title: ClassVar[str] = "Matching pursuit"
    sign: ClassVar[Literal["signed", "abs"]] = "abs"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder")
    negated: ClassVar[tuple[str, ...]] = ("atoms", "encoder")

    kind: Literal["test-pursuit"] = "test-pursuit"
    learning_rate: float = 1e-2
    k: int = 2
    """Atoms per token."""

    @property
    def trained(self):
        return ("atoms",)

    def first_state(self, point, rolled_encoder):
        del rolled_encoder
        return {"atoms": unit_rows(point.atoms.float()).unsqueeze(0), "shift": point.mean.float().unsqueeze(0)}

    def project(self, state):
        state["atoms"].copy_(unit_rows(state["atoms"]))

    def parameters(self, state):
        atoms = state["atoms"].clone()
        return {"atoms": atoms, "encoder": atoms.clone(), "decoder_bias": state["shift"].clone()}

    def encode(self, parameters, x):
        atoms, left = parameters["atoms"], x - parameters["decoder_bias"].unsqueeze(1)
        codes = torch.zeros(*x.shape[:2], atoms.shape[1], dtype=x.dtype)
        for _ in range(self.k):
            projections = left @ atoms.mT
            best = projections.abs().argmax(-1, keepdim=True)
            found = torch.zeros_like(codes).scatter(-1, best, projections.gather(-1, best))
            codes, left = codes + found, left - found @ atoms
        return codes

    def gradients(self, state, x):
        atoms = state["atoms"].clone().requires_grad_()
        codes = self.encode({"atoms": state["atoms"], "decoder_bias": state["shift"]}, x)
        error = (x - state["shift"].unsqueeze(1) - codes @ atoms).square().mean((1, 2))
        (gradient,) = torch.autograd.grad(error.sum(), [atoms])
        return {"atoms": gradient}, BatchOutcome(loss=error.detach(), fired=(codes != 0).any(1))


class OnlineKMeans(Method):
    """Code 1 for the nearest centroid; each batch moves a centroid to the mean of all tokens it has had so far."""

    title: ClassVar[str] = "Online k-means"

    kind: Literal["test-kmeans"] = "test-kmeans"
    remembered: Annotated[float, NEUTRAL] = 1.0
    """Share of the earlier tokens that still counts after an update."""

    def initialise(self, point, rolled_encoder):
        del rolled_encoder
        return {"atoms": point.atoms.float().unsqueeze(0).clone(), "had": torch.zeros(1, self.n_atoms)}

    def update(self, state, x, schedule):
        del schedule
        codes = self.encode(state, x)
        left = x - codes @ state["atoms"]
        had = codes.sum(1)
        state["had"].mul_(self.remembered).add_(had)
        share = (had / state["had"].clamp(min=1)).unsqueeze(-1)
        means = codes.mT @ x / had.clamp(min=1).unsqueeze(-1)
        state["atoms"] += share * (means - state["atoms"]) * (had > 0).unsqueeze(-1)
        return BatchOutcome(loss=left.square().mean((1, 2)), fired=had > 0)

    def parameters(self, state):
        atoms = state["atoms"].clone()
        nothing = {"encoder_bias": torch.zeros(atoms.shape[:2]), "decoder_bias": torch.zeros_like(atoms[:, 0])}
        return {"atoms": atoms, "encoder": atoms.clone(), **nothing}

    def encode(self, parameters, x):
        nearest = torch.cdist(x, parameters["atoms"]).argmin(-1)
        return torch.nn.functional.one_hot(nearest, self.n_atoms).to(x)


def midpoints(_, n_atoms, seen, rolls):
    pairs = seen.sample(2 * n_atoms, rolled=rolls["points"]).view(2, n_atoms, -1)
    noise = torch.randn(n_atoms, seen.d_model, generator=generator(rolls["init"], "midpoints"))
    return pairs.mean(dim=0) + 1e-3 * noise


MIDPOINT_START = StartKind(
    name="test-midpoints",
    title="Midpoints",
    meaning="points halfway between two activations",
    dice=("init", "points"),
    atoms=midpoints,
)

HALVES = StartKind(
    name="test-halves",
    title="Halves",
    meaning="activations, halved",
    dice=("points",),
    points=Points(
        identity=lambda _start, n_points, rolls: ("halves", n_points, rolls["points"]),
        draw=lambda _start, n_points, seen, rolls, _device: seen.sample(n_points, rolled=rolls["points"]) / 2,
    ),
)

MEDIAN = Measure(
    name="median",
    title="median cosine",
    meaning="the median cosine of the matched pairs",
    low=-1.0,
    high=1.0,
    prepare=lambda of: len(of.atoms),
    compare=lambda matchings, _a, _b: matchings.now.cosines.median().item(),
    untrained=True,
    contradicts=True,
)

MIDPOINT_FLOOR = FloorKind(
    name="midpoints",
    title="midpoints of tokens",
    gives="midpoints of tokens",
    meaning="what halfway between two tokens would give",
    policy="atoms halfway between two activations drawn at random",
    role="reference",
    draw=lambda source, n_atoms, draw: source.sample(2 * n_atoms, "midpoints", draw).view(2, n_atoms, -1).mean(dim=0),
)


def of_lines(source):
    rows = [[float(number) for number in line.split(",")] for line in Path(source).read_text().splitlines()]
    return LoadedDictionary(torch.tensor(rows), name=Path(source).stem, source=str(source))


CSV = Reader(
    name="atom lines",
    title="comma-separated rows",
    meaning="a .atoms file with an atom per line",
    recognises=lambda source: str(source).endswith(".atoms"),
    read=of_lines,
)

ATOMS_ONLY = Writer(
    name="atoms only",
    title="Atoms only",
    meaning="a folder with the atoms and nothing else",
    config="about.json",
    weights="atoms.safetensors",
    made=lambda dictionary: Written({"atoms": dictionary.atoms}, {"atoms": len(dictionary.atoms)}),
)

LEARNERS = {kind.model_fields["kind"].default: kind for kind in (JumpReLU, MatchingPursuit, OnlineKMeans)}
NAMES = (*LEARNERS, MIDPOINT_START.name, HALVES.name, MEDIAN.name, MIDPOINT_FLOOR.name, CSV.name, ATOMS_ONLY.name)


@pytest.fixture(scope="module", autouse=True)
def _registered():
    with unchanged_tables():
        reseed.METHODS.update(LEARNERS)
        reseed.STARTS.update({kind.name: kind for kind in (MIDPOINT_START, HALVES)})
        reseed.MEASURES[MEDIAN.name] = MEDIAN
        reseed.FLOORS[MIDPOINT_FLOOR.name] = MIDPOINT_FLOOR
        yield


@pytest.fixture(scope="module")
def ended(tmp_path_factory, _registered):
    """A study of all of them, read from TOML and run as a user would: its findings, its folder, its tokens."""
    place = tmp_path_factory.mktemp("doors")
    arms = [
        {"name": kind.removeprefix("test-"), "method": {"kind": kind, "n_atoms": N_ATOMS}, "start": {"kind": start}}
        for kind in LEARNERS
        for start in (MIDPOINT_START.name,)
    ]
    small = study(matrix(place / "acts.npy"), steps=LAST, starts=3)
    small.model_validate(small.model_dump() | {"arms": arms}).write(place / "study.toml")
    findings = reseed.run(reseed.Study.read(place / "study.toml"), place / "study", quiet=True)
    return findings, StudyFolder.open(place / "study"), preprocessed(open_activations(place / "acts.npy"), "centre")


def runs_of(folder, kind):
    return folder.runs(f"{kind.removeprefix('test-')}@centre")


def test_no_file_of_the_source_names_what_is_registered_here():
    sources = list((ROOT / "src").rglob("*.py"))
    named = {name for name in NAMES for path in sources if re.search(rf'"{name}"', path.read_text(encoding="utf-8"))}
    assert named == set()


# Methods and starts.


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_method_is_trained_and_learns(ended, kind):
    for run in runs_of(ended[1], kind):
        assert run.finished
        assert run.metrics["r2"][-1] > run.metrics["r2"][0]
        assert run.record.method["kind"] == kind
        assert run.record.dice == ("init", "points", "order")


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_snapshot_is_enough_to_reconstruct_what_the_metrics_say(ended, kind):
    _, folder, seen = ended
    for run in runs_of(folder, kind):
        method = parse(run.record.method)
        last = read_parameters(run.snapshot(LAST), method)
        assert loss(last, method, seen.heldout.rows) == pytest.approx(run.metrics["loss"][-1], rel=1e-5)
        codes = method.encode({name: part[None] for name, part in last.items()}, seen.heldout.rows[None])[0]
        assert torch.equal(run.snapshot(LAST).codes, codes)


def test_codes_that_no_relu_gives_are_kept_with_their_sign_and_matched_without(ended):
    findings, folder, _ = ended
    (run, other, *_) = runs_of(folder, "test-pursuit")
    assert run.snapshot(LAST).codes.min() < 0 < run.snapshot(LAST).codes.max()
    matching = match(run.snapshot(LAST).atoms, other.snapshot(LAST).atoms, sign="abs")
    row = folder.compared("pursuit@centre").table("pairs").filter(pl.col("step") == LAST).row(0, named=True)
    assert row["agreement"] == pytest.approx(matching.agreement, abs=1e-12)
    condition = findings.condition("pursuit@centre")
    assert condition.sign == "abs"
    isotropic = next(floor for floor in condition.measures["agreement"].floors if floor.name == "isotropic")
    assert isotropic.value == reseed.floors.isotropic(condition.d_model, N_ATOMS, sign="abs")
    drawn = [draw.atoms for draw in folder.draws("centre", N_ATOMS, "data")]
    expected = [match(a, b, sign="abs").agreement for a, b in combinations(drawn, 2)]
    data = next(floor for floor in condition.measures["agreement"].floors if floor.name == "data")
    assert data.value == pytest.approx(sum(expected) / len(expected))


def test_thresholds_of_a_methods_own_move_with_their_atoms_on_the_way_between_two_runs(ended):
    _, folder, seen = ended
    run = runs_of(folder, "test-jumprelu")[0]
    method = parse(run.record.method)
    one = read_parameters(run.snapshot(LAST), method)
    assert one["threshold"].std() > 0
    turned = permuted(one, torch.randperm(N_ATOMS, generator=generator(3)), method)
    assert not torch.equal(turned["threshold"], one["threshold"])
    rows = seen.heldout.rows
    ends = loss(one, method, rows), loss(turned, method, rows)
    back = permuted(turned, match(one["atoms"], turned["atoms"]).cols, method)
    assert barrier(one, back, method, rows, ends=ends) == pytest.approx(0.0, abs=1e-6)
    assert barrier(one, turned, method, rows, ends=ends) > 0


def test_every_condition_is_compared_judged_and_has_barriers(ended):
    findings, folder, _ = ended
    assert [condition.kind for condition in findings.conditions] == list(LEARNERS)
    for condition in findings.conditions:
        assert condition.start_kind == MIDPOINT_START.name
        assert condition.init_groups == 3
        assert condition.measures["agreement"].between.last.value <= 1
        assert condition.barriers is not None
        assert math.isfinite(condition.barriers.between.matched.value)
        assert set(folder.compared(condition.name).table("matchings").columns) >= {"row", "col", "cosine"}
    assert len(findings.comparisons) == len(list(combinations(LEARNERS, 2)))


def one_arm(kind, folder, *, start=MIDPOINT_START.name, **settings):
    """A study of one method and start."""
    acts = folder / "acts.npy"
    small = study(acts if acts.exists() else matrix(acts, 400), steps=6)
    method = {"kind": kind, "n_atoms": N_ATOMS, **settings}
    arms = [{"name": "arm", "method": method, "start": {"kind": start}}]
    return reseed.Study.parse(small.model_dump() | {"arms": arms})


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_run_is_the_same_alone_and_in_company_on_any_number_of_threads(kind, tmp_path):
    asked = one_arm(kind, tmp_path)
    specs = specs_of(asked)
    written = {}
    for threads, companions in ((1, specs[:1]), (1, specs), (3, specs)):
        place = tmp_path / f"{threads} threads, {len(companions)} runs"
        with context(tmp_path / "acts.npy", place, threads=threads) as training:
            train(companions, training)
        written[place.name] = contents(place / "runs" / specs[0].id)
    assert len({tuple(sorted(files.items())) for files in written.values()}) == 1


def test_a_start_that_makes_points_can_start_archetypal_dictionaries(tmp_path):
    findings = reseed.run(one_arm("ra-topk", tmp_path, start=HALVES.name, k=3), tmp_path / "study", quiet=True)
    folder = StudyFolder.open(tmp_path / "study")
    (run, sibling, stranger, _) = folder.runs("arm@centre")
    assert findings.condition("arm@centre").init_groups == 2
    assert run.record.points == sibling.record.points != stranger.record.points
    points = folder.points(run.record.points)
    cosines = torch.cosine_similarity(run.snapshot(0).atoms, points)
    torch.testing.assert_close(cosines, torch.ones(N_ATOMS))


def test_mistakes_and_pages_name_what_is_registered_like_all_else(tmp_path):
    with pytest.raises(SpecError, match=f"'fourier' is not known: use one of topk, .*, {', '.join(LEARNERS)}"):
        parse({"kind": "fourier"})
    with pytest.raises(SpecError, match=r"a start should be 'random', .* or 'test-halves' \(given: 'zeros'\)"):
        one_arm("topk", tmp_path, start="zeros", k=3)
    with pytest.raises(SpecError, match=r"cannot start at test-midpoints: use data, kmeans, .* or test-halves"):
        one_arm("ra-topk", tmp_path, k=3)
    assert {field.name: field.choices for field in describe(OnlineKMeans)}["kind"] == tuple(reseed.METHODS)
    assert "`test-halves`: activations, halved" in {each.name: each.meaning for each in describe(reseed.Start)}["kind"]
    told = runpy.run_path(str(ROOT / "docs" / "pages.py"))["study_toml"]()
    assert all(f"### `{kind}`: {method.title}\n" in told for kind, method in LEARNERS.items())
    assert "| `test-halves` | activations, halved | `points` | yes |" in told


def test_a_setting_may_be_younger_than_the_runs_of_its_method():
    plain, forgetful = (parse({"kind": "test-kmeans", "n_atoms": 4, **more}) for more in ({}, {"remembered": 0.5}))
    assert "remembered" not in plain.identity
    assert forgetful.identity["remembered"] == 0.5


def test_a_method_that_cannot_replace_dead_atoms_refuses_to():
    with pytest.raises(SpecError, match="test-jumprelu has no way to replace dead atoms"):
        parse({"kind": "test-jumprelu", "n_atoms": 4, "resample_every": 5})


def test_a_learner_without_a_rate_that_diverges_is_told_what_else_may_be_wrong(tmp_path):
    findings = reseed.run(one_arm("test-kmeans", tmp_path, remembered=1e30), tmp_path / "study", quiet=True)
    told = r"not finite at step \d+, after batch \d+: look for extreme activations \("
    assert all(re.match(told, run.remedy) for run in findings.condition("arm@centre").runs)


def test_a_learner_without_a_rate_is_left_alone_by_tuning(ended, tmp_path):
    _, folder, _ = ended
    asked = reseed.Study.read(folder.path.parent / "study.toml")
    tuning = tune(asked, tmp_path / "tuning", factors=(1.0,), quiet=True)
    assert {choice.kind for choice in tuning.choices if choice.trials} == {"test-jumprelu", "test-pursuit"}
    assert tuning.study.arms[2].method == asked.arms[2].method
    assert tuning.table().endswith("left alone, without a learning rate to choose: kmeans")
    with pytest.raises(SpecError, match="no method of arm has a learning rate to tune"):
        tune(one_arm("test-kmeans", tmp_path), tmp_path / "none", quiet=True)
    with pytest.raises(ValueError, match="test-kmeans has no learning rate that could be tuned: leave out tuned"):
        reseed.Arm(**asked.arms[2].model_dump(exclude={"tuned"}), tuned={"preprocess": "centre", "rates": (0.1,)})


# A measure and a floor.


def test_a_measure_is_in_the_tables_of_pairs_and_of_floors(ended):
    findings, folder, _ = ended
    written = folder.compared("kmeans@centre")
    pairs, matchings = written.table("pairs"), written.table("matchings")
    last = pairs.filter(pl.col("step") == LAST)
    for row in last.iter_rows(named=True):
        of_pair = matchings.filter((pl.col("run_a") == row["run_a"]) & (pl.col("run_b") == row["run_b"]))
        assert row["median"] == torch.tensor(of_pair["cosine"].to_list(), dtype=torch.float64).median().item()
    assert set(written.table("floors")["floor"]) == {"data", "kmeans", "midpoints"}
    record = findings.condition("kmeans@centre").measures["median"]
    assert record.between.last.value == pytest.approx(last.filter(pl.col("relation") == "between")["median"].mean())
    assert [floor.name for floor in record.floors] == ["step 0", "data", "kmeans", "midpoints"]


def test_a_floor_is_drawn_measured_and_weighed_like_any_other(ended):
    findings, folder, _ = ended
    draws = [draw.atoms for draw in folder.draws("centre", N_ATOMS, "midpoints")]
    expected = [match(a, b).agreement for a, b in combinations(draws, 2)]
    agreement = findings.condition("kmeans@centre").measures["agreement"]
    (floor,) = (each for each in agreement.floors if each.name == "midpoints")
    assert floor.value == pytest.approx(sum(expected) / len(expected))
    assert (floor.n, floor.policy) == (len(draws), MIDPOINT_FLOOR.policy)
    assert agreement.floor.value == max(each.value for each in agreement.floors if each.role == "null")


def test_what_is_registered_is_told_by_the_three_reports_and_the_tables(ended):
    findings, folder, _ = ended
    text, html = render(findings, width=120, colour=False), page(findings)
    document = (folder.path / "findings.json").read_text(encoding="utf-8")
    for kind in LEARNERS:
        assert all(kind.removeprefix("test-") in said for said in (text, html, document))
    assert MEDIAN.title in html
    assert MEDIAN.meaning in html
    assert MIDPOINT_FLOOR.title in html
    assert '"median"' in document
    table = reseed.table(findings)
    rows = table.filter((pl.col("measure") == "median") & (pl.col("pairs") == "between"))
    assert rows["floor_midpoints"].is_not_null().all()
    drawn = reseed.figure(findings, "kmeans@centre", kind="companions")
    assert any(MEDIAN.title in title.text for title in drawn.layout.annotations)


def test_the_study_is_judged_again_to_the_same_bytes(ended):
    findings, folder, _ = ended
    before = (folder.path / "findings.json").read_bytes()
    assert repr(reseed.rejudge(folder.path, quiet=True)) == repr(findings)
    assert (folder.path / "findings.json").read_bytes() == before


# A reader.


def test_a_reader_reads_what_it_recognises(tmp_path):
    (tmp_path / "mine.atoms").write_text("1,0,0\n0,2,0\n")
    with pytest.raises(DictionaryError, match="holds no dictionary"):
        reseed.read_dictionary(tmp_path / "mine.atoms")
    with unchanged_tables():
        reseed.READERS[CSV.name] = CSV
        assert reseed.read_dictionary(tmp_path / "mine.atoms").atoms.tolist() == [[1, 0, 0], [0, 2, 0]]
        found = reseed.geometry.measure(dictionaries=(tmp_path / "mine.atoms", tmp_path / "mine.atoms"), quiet=True)
    assert found.pair.agreement == pytest.approx(1.0)


# A writer.


def test_a_writer_writes_a_folder_of_its_own_from_the_command_line_too(tmp_path, capsys):
    with unchanged_tables():
        reseed.WRITERS[ATOMS_ONLY.name] = ATOMS_ONLY
        reseed.write_dictionary(reseed.read_dictionary(torch.eye(3)), tmp_path / "a", format="atoms only")
        found = reseed.read_dictionary(tmp_path / "a/atoms.safetensors")
        with pytest.raises(SystemExit, match="0"):
            main(
                [
                    "export",
                    str(tmp_path / "a/atoms.safetensors"),
                    "--format",
                    "atoms only",
                    "--out",
                    str(tmp_path / "b"),
                ]
            )
        assert (
            (tmp_path / "b/about.json").read_text() == (tmp_path / "a/about.json").read_text() == '{\n "atoms": 3\n}\n'
        )
        with pytest.raises(SystemExit, match="1"):
            main(["export", str(tmp_path / "a/atoms.safetensors"), "--format", "none", "--out", str(tmp_path / "c")])
    assert torch.equal(found.atoms, torch.eye(3))
    assert "choose from saelens, sparsify, atoms only" in capsys.readouterr().err
