"""The study.toml that `reseed init` writes."""

import re
import tomllib

import pytest
from pydantic import BaseModel

from reseed.errors import SpecError
from reseed.methods import METHODS
from reseed.pipeline.template import template, toml_value, write_template
from reseed.spec import Arm, Dice, FeatureRule, Floors, Study, Thresholds, Training
from reseed.spec.fields import describe
from reseed.starts import Start

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
