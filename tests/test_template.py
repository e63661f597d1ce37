"""The study.toml that `reseed init` writes."""

import re
import tomllib
from typing import ClassVar, Literal

import pytest
import torch
from pydantic import BaseModel

import reseed
from registering import unchanged_tables
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.errors import ActivationsError, SpecError
from reseed.methods import METHODS, TopK
from reseed.pipeline.template import arms_of, template, toml_value, write_template
from reseed.spec import Arm, Dice, FeatureRule, Floors, Study, Thresholds, Training
from reseed.spec.fields import describe
from reseed.starts import Start
from studies import command_line, matrix

TABLES = {"training": Training, "dice": Dice, "floors": Floors, "thresholds": Thresholds, "features": FeatureRule}


@pytest.fixture(scope="module")
def text() -> str:
    return template("activations")


def fields_of(text: str, table: str) -> list[set[str]]:
    """The fields in every table of that name, those that are not set included; the file's own for no name."""
    head, *tables = text.split("\n[")
    named = [part for part in tables if part.lstrip("[").startswith(f"{table}]")] if table else [head]
    return [set(re.findall(r"^(?:# )?(\w+) = ", part, flags=re.MULTILINE)) for part in named]


def told(text: str) -> str:
    """Everything that the comments say, on one line."""
    return " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))


def test_what_init_writes_is_a_study_that_can_be_read_and_has_the_defaults(tmp_path):
    write_template(tmp_path / "study.toml", activations="acts", force=False)
    study = Study.read(tmp_path / "study.toml")
    assert study.activations == str(tmp_path / "acts")
    for name, model in TABLES.items():
        assert getattr(study, name) == model()
    assert {arm.start.kind for arm in study.arms} == {"random", "kmeans"}


def test_what_init_writes_is_the_default_of_everything_that_has_one(tmp_path):
    write_template(tmp_path / "study.toml", activations="acts", force=False)
    study = Study.read(tmp_path / "study.toml")
    written = [study, *study.arms, *(arm.method for arm in study.arms), *(arm.start for arm in study.arms)]
    for settings in written:
        for name, field in type(settings).model_fields.items():
            if not field.is_required():
                assert getattr(settings, name) == field.get_default(call_default_factory=True), name


@pytest.mark.parametrize("model", [Study, Arm, Start, *TABLES.values()], ids=lambda model: model.__name__)
def test_every_field_is_explained(model: type[BaseModel], text: str):
    tables = {"arms", *TABLES}  # a table is explained by its heading
    explained = told(text)
    for field in describe(model):
        if field.name in tables or (model is Arm and field.name in {"method", "start"}):
            continue
        assert field.meaning.replace("None:", "not set:") in explained, field.name


def test_every_field_of_every_table_is_present(text: str):
    for name, model in TABLES.items():
        assert fields_of(text, name) == [set(model.model_fields)]
    assert {"name", "activations", "preprocess", "starts", "runs_per_start"} <= fields_of(text, "")[0]
    assert fields_of(text, "arms.start") == [set(Start.model_fields)] * 3
    arms = tomllib.loads(text)["arms"]
    for arm, fields in zip(arms, fields_of(text, "arms.method"), strict=True):
        method = METHODS[arm["method"]["kind"]]
        assert fields == set(method.model_fields)
        for field in describe(method):
            assert field.meaning, f"{method.__name__}.{field.name} has no docstring"
            assert field.meaning.replace("None:", "not set:").replace("False:", "false:") in told(text)


def test_init_replaces_no_file_unless_it_is_told_to(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("mine")
    with pytest.raises(SpecError, match="exists: choose another name, or replace it with --force") as raised:
        write_template(path, activations="a", force=False)
    assert "\n" not in str(raised.value)
    assert path.read_text() == "mine"
    write_template(path, activations="a", force=True)
    assert Study.read(path)


@pytest.mark.parametrize(
    "value", ['a "quoted" path\\with\x7f odd\ncharacters', 1e-8, True, ("a", "b"), {"init": "run"}]
)
def test_values_survive_toml(value: object):
    read = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert read == (list(value) if isinstance(value, tuple) else value)


# An arm for each method that is asked for.


def asked(path, *methods, activations="acts"):
    """The study that init writes for these methods."""
    write_template(path, activations=str(activations), force=True, methods=methods)
    return Study.read(path)


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_can_be_asked_for_and_starts_where_it_was_published(kind, tmp_path):
    (arm,) = asked(tmp_path / "study.toml", kind).arms
    assert (arm.name, arm.method.kind) == (kind, kind)
    assert arm.start == Start(kind=METHODS[kind].published_start)
    for field in describe(METHODS[kind]):
        assert field.required or getattr(arm.method, field.name) == field.default
        assert (
            f"\n{field.name} = " in (text := (tmp_path / "study.toml").read_text()) or f"# {field.name} = ..." in text
        )


def test_archetypal_methods_were_published_with_k_means_points_and_the_others_with_random_atoms():
    starts = {kind: METHODS[kind].published_start for kind in ("topk", "relu", "ra-topk", "a-topk")}
    assert starts == {"topk": "random", "relu": "random", "ra-topk": "kmeans", "a-topk": "kmeans"}


def test_sizes_suit_the_activations_where_there_are_some(tmp_path):
    matrix(tmp_path / "acts.npy", 4000, d_model=20)
    study = asked(tmp_path / "study.toml", "topk", "relu", activations="acts.npy")
    assert [arm.method.n_atoms for arm in study.arms] == [32, 32]  # 3,600 training tokens, 100 for each
    assert study.arms[0].method.k == 4
    small = study.model_copy(
        update={"training": Training(steps=4, batch_size=64, evenly=1, device="cpu"), "floors": Floors(surrogate="off")}
    )
    assert set(reseed.run(small, tmp_path / "out", quiet=True).verdicts) >= {"topk@centre", "relu@centre"}


def test_methods_of_at_most_as_many_atoms_as_dimensions_get_no_more(tmp_path):
    matrix(tmp_path / "acts.npy", 4000, d_model=20)
    study = asked(tmp_path / "study.toml", "topk", "ica", "sparse-pca", activations="acts.npy")
    assert [arm.method.n_atoms for arm in study.arms] == [32, 16, 16]
    assert study.arms[2].method.l1 == 0.01
    assert study.arms[2].start.kind == "pca"


def test_activations_that_are_not_there_yet_are_no_error_and_damaged_ones_are(tmp_path):
    assert asked(tmp_path / "study.toml", "topk", activations="later").arms[0].method.n_atoms == 512
    (tmp_path / "acts.npy").write_bytes(b"nothing")
    with pytest.raises(ActivationsError):
        asked(tmp_path / "other.toml", "topk", activations="acts.npy")
    assert not (tmp_path / "other.toml").exists()


def test_a_method_that_joins_later_is_written_with_what_it_says_of_itself(tmp_path):
    class Widened(TopK):
        """TopK with a setting that it needs."""

        published_start: ClassVar[str] = "data"
        suggested: ClassVar[dict[str, object]] = {"width": 3.5}

        kind: Literal["widened"] = "widened"
        width: float
        """How wide."""

    class Silent(Widened):
        """The same, and no word about its width."""

        suggested: ClassVar[dict[str, object]] = {}

        kind: Literal["silent"] = "silent"

    with unchanged_tables():
        METHODS.update({"widened": Widened, "silent": Silent})
        study = asked(tmp_path / "study.toml", "topk", "widened")
        assert (study.arms[1].method.width, study.arms[1].start.kind) == (3.5, "data")
        assert "# How wide.\nwidth = 3.5\n" in (tmp_path / "study.toml").read_text()
        with pytest.raises(SpecError, match="silent: the method needs width and suggests no value; write its arm"):
            arms_of(["silent"])


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ("topk,topkk", r"--methods 'topkk' is not known: choose from topk, .*; did you mean topk\?"),
        ("", r"--methods '' is not known: choose from topk, "),
        ("relu,topk,relu", "--methods names relu twice: each once"),
    ],
)
def test_methods_that_are_unknown_or_given_twice_are_refused_and_nothing_is_written(methods, said, tmp_path):
    refused = command_line("init", tmp_path / "study.toml", "--methods", methods)
    assert refused.returncode == 1
    assert re.search(said, refused.stderr_text)
    assert not (tmp_path / "study.toml").exists()


def test_the_command_writes_an_arm_for_each_method(tmp_path):
    done = command_line("init", tmp_path / "study.toml", "--methods", "relu, topk")
    assert done.returncode == 0, done.stderr_text
    assert [arm.name for arm in Study.read(tmp_path / "study.toml").arms] == ["relu", "topk"]


def test_of_a_pair_of_activations_init_knows_what_is_read(tmp_path):
    rows, what = torch.randn(3000, 20), {"model": "tiny", "layer": 1, "at": "mlp", "reads": 12}
    manifest = begin_store(tmp_path / "acts", about=what, d_model=20, dtype="fp32")
    manifest = write_heldout(tmp_path / "acts", manifest, rows[:300])
    finish_store(tmp_path / "acts", append_shard(tmp_path / "acts", manifest, rows[300:]))
    (arm,) = asked(tmp_path / "study.toml", "transcoder", activations="acts").arms
    assert (arm.method.reads, arm.method.n_atoms, arm.method.k) == (12, 16, 2)


def test_what_a_transcoder_reads_of_activations_that_do_not_say_is_for_the_user_to_say(tmp_path):
    matrix(tmp_path / "acts.npy", 4000, d_model=20)
    with pytest.raises(
        SpecError, match="transcoder: the method needs reads and suggests no value; write its arm by hand"
    ):
        asked(tmp_path / "study.toml", "transcoder", activations="acts.npy")
