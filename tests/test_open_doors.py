"""The tables are open: what is defined here, and named nowhere in the package, goes all the way through a study."""

import math
import re
import runpy
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
import torch
from pydantic import PositiveFloat, PositiveInt

import reseed
from reseed import METHODS, STARTS
from reseed._support.settings import NEUTRAL
from reseed.dice import generator
from reseed.errors import SpecError
from reseed.methods import Autoencoder, BatchOutcome, GradientMethod, Method, parse
from reseed.methods._autoencoder import encoder_parts, inputs, unit_rows
from reseed.pipeline.tune import tune
from reseed.report.text import render
from reseed.spec import Arm, Study, Tuned
from reseed.spec.fields import describe
from reseed.starts import Points, Start, StartKind
from reseed.trajectory import StudyFolder
from studies import N_ATOMS, contents, matrix, study

# Methods and a start: what is learnt, and from where.


class _Jump(torch.autograd.Function):
    """z if z > threshold else 0; the threshold learns from the values near it."""

    BANDWIDTH = 0.05

    @staticmethod
    def forward(ctx, before, threshold):
        ctx.save_for_backward(before, threshold)
        return before * (before > threshold)

    @staticmethod
    def backward(ctx, above):
        before, threshold = ctx.saved_tensors
        near = (before - threshold).abs() < _Jump.BANDWIDTH / 2
        return above * (before > threshold), -(threshold / _Jump.BANDWIDTH) * near * above


class JumpReLU(Autoencoder):
    """Sparse autoencoder whose atoms have thresholds of their own."""

    title: ClassVar[str] = "JumpReLU"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms", "encoder", "encoder_bias", "threshold")

    kind: Literal["jump-relu"] = "jump-relu"
    learning_rate: PositiveFloat = 3e-3
    l1: PositiveFloat = 0.1
    """Penalty on the codes."""

    @property
    def trained(self):
        return ("atoms", "encoder", "encoder_bias", "decoder_bias", "log_threshold")

    def first_state(self, point, rolled_encoder):
        atoms = unit_rows(point.atoms.float())
        settings = {"start": self.encoder_start, "decoder_bias": True, "rescale": self.rescale}
        parts = encoder_parts(point, atoms, rolled_encoder, k=self.n_atoms, **settings)
        return {"atoms": atoms.unsqueeze(0), "log_threshold": torch.full((1, self.n_atoms), math.log(0.1)), **parts}

    def project(self, state):
        state["atoms"].copy_(unit_rows(state["atoms"]))

    def dictionary(self, state):
        return state["atoms"]

    def beside(self, state):
        return {"threshold": state["log_threshold"].exp() * state["scale"].unsqueeze(1)}

    def encode(self, parameters, x):
        before = x @ parameters["encoder"].mT + parameters["encoder_bias"].unsqueeze(1)
        return before.relu() * (before > parameters["threshold"].unsqueeze(1))

    def gradients(self, state, x):
        with torch.enable_grad():
            at = {name: state[name].detach().requires_grad_() for name in self.trained}
            u = inputs(state | at, x)
            before = u @ at["encoder"].mT + at["encoder_bias"].unsqueeze(1)
            codes = _Jump.apply(before, at["log_threshold"].exp().unsqueeze(1))
            error = (codes @ at["atoms"] - u).square().mean((1, 2))
            loss = error + self.l1 * codes.sum(-1).mean(1) / x.shape[-1] ** 0.5
            found = torch.autograd.grad(loss.sum(), list(at.values()))
        return dict(zip(at, found, strict=True)), BatchOutcome(loss.detach(), (codes.detach() > 0).any(1))


class Pursuit(GradientMethod):
    """Dictionary whose codes are found one after the other on what is left (matching pursuit), with either sign."""

    title: ClassVar[str] = "Matching pursuit"
    sign: ClassVar[Literal["signed", "abs"]] = "abs"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms",)
    negated: ClassVar[tuple[str, ...]] = ("atoms",)

    kind: Literal["pursuit"] = "pursuit"
    learning_rate: PositiveFloat = 1e-2
    k: PositiveInt
    """Active atoms per token."""

    @property
    def trained(self):
        return ("atoms",)

    def first_state(self, point, rolled_encoder):
        del rolled_encoder
        atoms, mean = unit_rows(point.atoms.float()), point.mean.float()
        return {"atoms": atoms.unsqueeze(0), "mean": mean.unsqueeze(0), "scale": torch.tensor([point.scale])}

    def project(self, state):
        state["atoms"].copy_(unit_rows(state["atoms"]))

    def parameters(self, state):
        atoms = state["atoms"].clone()
        return {"atoms": atoms, "encoder": atoms.clone(), "decoder_bias": state["mean"].clone()}

    def encode(self, parameters, x):
        return self._pursued(parameters["atoms"], x - parameters["decoder_bias"].unsqueeze(1))

    def _pursued(self, atoms, left):
        lengths = atoms.norm(dim=-1).clamp(min=1e-8).unsqueeze(1)
        codes = left.new_zeros(*left.shape[:2], self.n_atoms)
        for _ in range(self.k):
            along = left @ atoms.mT / lengths
            best = along.abs().argmax(-1, keepdim=True)
            chosen = torch.zeros_like(along).scatter(-1, best, 1.0) * along / lengths
            codes, left = codes + chosen, left - chosen @ atoms
        return codes

    def gradients(self, state, x):
        u = (x - state["mean"].unsqueeze(1)) / state["scale"].view(-1, 1, 1)
        with torch.enable_grad():
            atoms = state["atoms"].detach().requires_grad_()
            codes = self._pursued(atoms, u)
            loss = (codes @ atoms - u).square().mean((1, 2))
            (found,) = torch.autograd.grad(loss.sum(), [atoms])
        return {"atoms": found}, BatchOutcome(loss.detach(), (codes.detach() != 0).any(1))


class KMeans(Method):
    """Every token is its nearest centroid; centroids are running means of their tokens."""

    title: ClassVar[str] = "k-means"
    per_atom: ClassVar[tuple[str, ...]] = ("atoms",)

    kind: Literal["k-means"] = "k-means"
    forget: Annotated[PositiveFloat, NEUTRAL] = 1.0
    """Share of the earlier tokens that still counts after an update."""

    def initialise(self, point, rolled_encoder):
        del rolled_encoder
        return {"atoms": point.atoms.float().unsqueeze(0).clone(), "counts": torch.zeros(1, self.n_atoms)}

    def update(self, state, x, schedule):
        del schedule
        codes = self.encode(state, x)
        loss = (x - codes @ state["atoms"]).square().mean((1, 2))
        tokens = codes.sum(1)
        state["counts"].mul_(self.forget).add_(tokens)
        change = codes.mT @ x - tokens.unsqueeze(-1) * state["atoms"]
        state["atoms"].add_(change / state["counts"].clamp(min=1).unsqueeze(-1))
        return BatchOutcome(loss, tokens > 0)

    def parameters(self, state):
        nothing = torch.zeros_like(state["atoms"][:, 0])
        return {"atoms": state["atoms"].clone(), "encoder": state["atoms"].clone(), "decoder_bias": nothing}

    def encode(self, parameters, x):
        nearest = torch.cdist(x, parameters["atoms"]).argmin(-1, keepdim=True)
        return x.new_zeros(*x.shape[:2], self.n_atoms).scatter(-1, nearest, 1.0)


def _midpoints(start, n_points, seen, rolls, device):
    del start, device
    rows = seen.rows(torch.randint(seen.n_tokens, (n_points, 2), generator=generator(rolls["points"])))
    return rows.mean(1)


MIDPOINTS = StartKind(
    name="midpoints",
    title="Midpoints",
    meaning="points between two activations",
    dice=("points",),
    points=Points(identity=lambda _, n_points, rolls: ("midpoints", n_points, rolls["points"]), draw=_midpoints),
)

OWN = {"jump-relu": JumpReLU, "pursuit": Pursuit, "k-means": KMeans}
ARMS = [
    {"name": "jump", "method": {"kind": "jump-relu", "n_atoms": N_ATOMS}, "start": {"kind": "random"}},
    {"name": "pursuit", "method": {"kind": "pursuit", "n_atoms": N_ATOMS, "k": 3}, "start": {"kind": "midpoints"}},
    {"name": "lloyd", "method": {"kind": "k-means", "n_atoms": N_ATOMS}, "start": {"kind": "midpoints"}},
    {"name": "ra", "method": {"kind": "ra-topk", "n_atoms": N_ATOMS, "k": 3}, "start": {"kind": "midpoints"}},
]
NAMES = [f"{arm['name']}@centre" for arm in ARMS]


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The doors open for these tests, and shut behind them."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, method in OWN.items():
            patch.setitem(METHODS, kind, method)
        patch.setitem(STARTS, MIDPOINTS.name, MIDPOINTS)
        yield
    assert not {*OWN, MIDPOINTS.name} & {*METHODS, *STARTS}


def told(folder, **changes):
    """The study of everything defined here, as a study.toml tells it."""
    path = folder / "study.toml"
    Study.parse(
        study(matrix(folder / "acts.npy", 400), training={"steps": 20}).model_dump()
        | {"arms": ARMS, "spawn_at": [5]}
        | changes
    ).write(path)
    return Study.read(path)


@pytest.fixture(scope="module")
def finished(registered, tmp_path_factory):  # noqa: ARG001 (the study needs what it registers)
    """The study, its findings and its folder."""
    folder = tmp_path_factory.mktemp("doors")
    asked = told(folder)
    return asked, reseed.run(asked, folder / "study", quiet=True), folder / "study"


def runs_of(folder):
    return {name: StudyFolder.open(folder).runs(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_condition_is_trained_compared_and_judged(finished, name):
    _, findings, folder = finished
    condition = findings.condition(name)
    assert len(condition.runs) == 4
    assert all(run.status == "finished" for run in condition.runs)
    assert findings.verdicts[name].sentence
    assert "not testable" not in findings.verdicts[name].outcome
    assert condition.init_groups == 2
    barriers = StudyFolder.open(folder).compared(name).barriers()
    assert len(barriers) == 6
    assert barriers["matched"].is_finite().all()


def test_all_of_them_learn(finished):
    for name, runs in runs_of(finished[2]).items():
        for run in runs:
            assert run.metrics["r2"][-1] > max(0.1, run.metrics["r2"][0]), name


def test_a_run_and_what_it_is_made_of_are_the_same_on_any_number_of_threads(finished, tmp_path):
    asked, _, folder = finished
    reseed.run(told(tmp_path, training=asked.training.model_dump() | {"threads": 2}), tmp_path / "study", quiet=True)
    runs = [contents(each / "runs") for each in (folder, tmp_path / "study")]
    assert runs[0] == runs[1]


def test_a_record_says_what_readers_ask_of_a_method_and_a_start(finished):
    records = {name.partition("@")[0]: runs[0].record for name, runs in runs_of(finished[2]).items()}
    assert {name: record.sign for name, record in records.items()} == {
        "jump": "signed",
        "pursuit": "abs",
        "lloyd": "signed",
        "ra": "signed",
    }
    assert records["jump"].dice == ("init", "order")
    assert all(records[name].dice == ("points", "order") for name in ("pursuit", "lloyd", "ra"))
    assert records["jump"].points is None
    assert records["pursuit"].points == records["lloyd"].points == records["ra"].points
    assert not any(record.shared_when_published for record in records.values())


def test_an_atom_and_its_negative_are_one_where_the_method_says_so(finished):
    runs = runs_of(finished[2])["pursuit@centre"]
    parameters = {name: runs[0].snapshots[20].tensor(name) for name in ("atoms", "decoder_bias")}
    assert any((run.snapshots[20].codes < 0).any() for run in runs)
    turned = parameters | {"atoms": -parameters["atoms"]}
    x = torch.randn(1, 50, parameters["atoms"].shape[1], generator=generator(4))
    method = parse(ARMS[1]["method"])
    ways = [{name: tensor.unsqueeze(0) for name, tensor in each.items()} for each in (parameters, turned)]
    assert torch.equal(method.encode(ways[1], x), -method.encode(ways[0], x))
    assert reseed.match(parameters["atoms"], turned["atoms"], sign="abs").agreement == 1.0


def test_the_reports_and_the_table_speak_of_them(finished, tmp_path):
    _, findings, _ = finished
    page = reseed.write_report(findings, tmp_path / "report.html").read_text(encoding="utf-8")
    text, table = render(findings, width=100, colour=False), reseed.table(findings)
    for name in NAMES:
        assert name in page
        assert name in text
    assert {kind for kind in OWN if kind in page} == set(OWN)
    assert set(NAMES) <= set(table["condition"])


def test_mistakes_and_pages_name_them_like_all_others():
    with pytest.raises(SpecError, match=r"method kind 'pca' is not known: use one of topk, .*, pursuit, k-means"):
        parse({"kind": "pca"})
    with pytest.raises(SpecError, match=r"a start should be 'random', .* or 'midpoints' \(given: 'zeros'\)"):
        Study.parse({"activations": "a", "arms": [ARMS[0] | {"start": {"kind": "zeros"}}]})
    with pytest.raises(SpecError, match="use data, kmeans, kmeans-permuted or midpoints"):
        Study.parse({"activations": "a", "arms": [ARMS[3] | {"start": {"kind": "random"}}]})
    assert {field.name: field.choices for field in describe(KMeans)}["kind"] == tuple(METHODS)
    assert "`midpoints`: points between two activations" in {f.name: f.meaning for f in describe(Start)}["kind"]
    page = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "pages.py"))["study_toml"]()
    for method in OWN.values():
        assert re.search(rf"^### `{method.model_fields['kind'].default}`: {method.title}$", page, re.MULTILINE)
    assert "| `midpoints` | points between two activations | `points` | yes |" in page


def test_a_setting_of_a_method_that_is_not_ours_may_be_younger_than_its_runs():
    (plain, forgetful) = (parse({"kind": "k-means", "n_atoms": 4, **more}) for more in ({}, {"forget": 0.5}))
    assert "forget" not in plain.identity
    assert forgetful.identity["forget"] == 0.5


def test_tuning_leaves_what_has_no_learning_rate_alone(tmp_path):
    both = told(tmp_path, arms=[ARMS[0], ARMS[2]], spawn_at=[])
    tuning = tune(both, tmp_path / "tuning", factors=(1.0,), quiet=True)
    assert tuning.left_alone == ("lloyd",)
    assert tuning.table().endswith("left alone, without a learning rate to choose: lloyd")
    assert tuning.study.arms[1] == both.arms[1]
    assert tuning.study.arms[0].tuned.rates == (3e-3,)
    with pytest.raises(SpecError, match="no method of lloyd has a learning rate to tune"):
        tune(told(tmp_path, arms=[ARMS[2]]), tmp_path / "none", quiet=True)
    with pytest.raises(ValueError, match="k-means has no learning rate that could be tuned: leave out tuned"):
        Arm(**ARMS[2], tuned=Tuned(preprocess="centre", rates=(0.1,)))


def test_what_diverges_without_a_learning_rate_is_told_what_else_may_be_wrong(tmp_path):
    wild = ARMS[2] | {"method": {"kind": "k-means", "n_atoms": N_ATOMS, "forget": 1e38}}
    findings = reseed.run(told(tmp_path, arms=[wild], spawn_at=[]), tmp_path / "study", quiet=True)
    told_what = r"not finite at step \d+, after batch \d+: look for extreme activations \("
    assert all(re.match(told_what, run.remedy) for run in findings.conditions[0].runs)


def test_a_method_that_cannot_replace_dead_atoms_refuses_to():
    with pytest.raises(SpecError, match="jump-relu has no way to replace dead atoms"):
        parse(ARMS[0]["method"] | {"resample_every": 5})


# Measures, floors and readers: what is compared, and with what.
