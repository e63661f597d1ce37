import json
import math
import re
import subprocess
import sys

import pytest

from reseed.errors import TrajectoryError
from reseed.findings import FINDINGS_VERSION, Findings, Interval
from studies import finished


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return finished(tmp_path_factory)[0] / "findings.json"


@pytest.fixture(scope="module")
def findings(path):
    return Findings.read(path)


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_findings_are_json_that_every_reader_accepts(path):
    document = json.loads(path.read_text(), parse_constant=refuse)
    assert document["findings_version"] == FINDINGS_VERSION
    assert list(document) == list(Findings.model_fields)


def test_findings_come_back_as_they_were_written(path, findings, tmp_path):
    findings.write(tmp_path / "findings.json")
    assert (tmp_path / "findings.json").read_bytes() == path.read_bytes()
    assert repr(Findings.read(tmp_path / "findings.json")) == repr(findings)


def test_what_is_undefined_is_null_in_the_file_and_nan_in_python(path, findings):
    conditions = json.loads(path.read_text())["conditions"]
    assert conditions[0]["runs"][0]["metrics"]["training_loss"][0] is None
    assert math.isnan(findings.conditions[0].runs[0].metrics["training_loss"][0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_written_as_undefined(value):
    interval = Interval(value=value, standard_error=0.1, low=0, high=1, n_units=3, unit="run")
    assert json.loads(interval.model_dump_json(), parse_constant=refuse)["value"] is None
    assert math.isnan(Interval.model_validate_json(interval.model_dump_json()).value)


def test_a_study_folder_is_read_by_its_findings(path, findings):
    assert repr(Findings.read(path.parent)) == repr(Findings.read(str(path))) == repr(findings)


def test_conditions_are_found_by_name(findings):
    assert findings.condition("ra-topk@centre").arm == "ra-topk"
    assert findings.verdicts.keys() == {"topk@centre", "ra-topk@centre"}
    with pytest.raises(KeyError, match="no condition 'topk': this study has topk@centre, ra-topk@centre"):
        findings.condition("topk")


def test_findings_say_what_they_are_about(findings):
    assert findings.study["arms"][0]["name"] == "topk"
    assert findings.activations["tokens"] == 540
    assert len(findings.activations["fingerprint"]) == 64
    assert findings.machine["device"] == "cpu"


def spoiled(path, folder, change):
    document = json.loads(path.read_text())
    change(document)
    (folder / "findings.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("version", [0, FINDINGS_VERSION + 1, "1", None])
def test_another_version_is_refused_with_both_versions(path, tmp_path, version):
    folder = spoiled(path, tmp_path, lambda document: document.update(findings_version=version))
    with pytest.raises(TrajectoryError, match=f"findings version {version!r}; this reseed reads version 4"):
        Findings.read(folder)


def test_findings_of_version_2_are_refused_with_the_command_that_judges_again(path, tmp_path):
    folder = spoiled(path, tmp_path, lambda document: document.update(findings_version=2))
    with pytest.raises(TrajectoryError) as refused:
        Findings.read(folder)
    assert str(refused.value).endswith(f"judge the study again with  reseed report {folder} --rejudge")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document.pop("conditions"), "conditions: is needed and not given"),
        (lambda document: document.update(surprise=1), "surprise: no such field; there are findings_version, reseed,"),
        (
            lambda document: document["conditions"][0]["verdict"].update(outcome="splendid"),
            "conditions.0.verdict.outcome: has to be 'convergent', 'stabilizing'",
        ),
        (
            lambda document: document["conditions"][0].update(n_atoms="many"),
            r"conditions.0.n_atoms: has to be a whole number \(given: 'many'\)\): judge the study again",
        ),
    ],
)
def test_a_damaged_document_is_told_with_its_field(path, tmp_path, change, words):
    with pytest.raises(TrajectoryError, match=rf"findings.json is damaged \({words}"):
        Findings.read(spoiled(path, tmp_path, change))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is a folder, not a study: give a study folder"),
        ("", "is damaged (it is empty): judge the study again with"),
        ("{", "is damaged (Expecting property name"),
        ("[]", "is damaged (it holds a list in the place of an object)"),
        ("7", "is damaged (it holds a number in the place of an object)"),
        ("{}", "is a study without findings"),
        ("[" * 100_000, "is damaged (it is nested too deeply)"),
        ('{"findings_version": 1' + "0" * 5000 + "}", "is damaged (it holds an integer of thousands of digits)"),
        ('{"name": "\\ud800"}', "is damaged (it holds half a character"),
    ],
)
def test_a_file_that_holds_no_findings_is_told_as_such(tmp_path, content, words):
    if content is not None:
        (tmp_path / "findings.json").write_text(content)
    with pytest.raises(TrajectoryError, match=re.escape(words)):
        Findings.read(tmp_path)


def test_reading_findings_and_printing_them_loads_nothing_that_trains_or_plots():
    heavy = {"reseed.training", "reseed.methods", "reseed.activations", "transformers", "plotly", "jinja2"}
    light = f"import sys, reseed.findings, reseed.report.text; sys.exit(bool({heavy} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", light], check=False).returncode == 0
