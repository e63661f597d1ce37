"""Findings, comparisons and features are held to their files, and nothing else passes for a document of ours."""

import json

import claimed
import numpy as np
import polars as pl
import pytest
import torch
from claimed import DICTIONARIES, NULLS, flip, read, states, write

import reseed
import studies
from reseed._support.checksums import Checksums
from reseed.cli import main
from reseed.comparison.files import as_its_source
from reseed.errors import SpecError
from reseed.pipeline.rejudge import rejudge
from reseed.reappearance import find_features


@pytest.fixture
def bundle(tmp_path_factory, tmp_path, monkeypatch):
    """Documents of relative paths, made where the files are."""
    folder = claimed.copied(tmp_path_factory, tmp_path)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def of_dictionaries(tmp_path_factory, tmp_path, monkeypatch):
    """The same without the study."""
    folder = claimed.copied(tmp_path_factory, tmp_path, without=("study", "of-study"))
    monkeypatch.chdir(folder)
    return folder


def compared(bundle, **more):
    paths = [f"dictionaries/{name}" for name in DICTIONARIES]
    found = reseed.compare(*paths, activations="acts.npy", null=[f"nulls/{name}" for name in NULLS], **more)
    (bundle / "compare.json").write_text(found.model_dump_json(), encoding="utf-8")
    return bundle / "compare.json"


def features(bundle):
    found = find_features(*(f"dictionaries/{name}" for name in DICTIONARIES), activations="acts.npy")
    (bundle / "features.json").write_text(found.whole.model_dump_json(), encoding="utf-8")
    return bundle / "features.json"


def typed(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--quiet"])
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


def test_a_comparison_holds_here_and_where_its_files_are_moved_to(bundle, tmp_path, monkeypatch):
    path = compared(bundle, definitions=True)
    assert reseed.verify(path).state == "holds"
    monkeypatch.chdir(tmp_path)
    bundle.rename(tmp_path / "moved")
    found = reseed.verify(tmp_path / "moved" / "compare.json")
    assert (found.state, found.kind) == ("holds", "comparison"), found.sentence


def test_a_document_elsewhere_is_checked_where_its_files_are(bundle, tmp_path):
    (tmp_path / "away").mkdir()
    path = compared(bundle).rename(tmp_path / "away" / "compare.json")
    assert reseed.verify(path).state == "holds"


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("numbers", lambda d: d["pairs"][0].update(agreement=d["pairs"][0]["agreement"] + 1e-4)),
        ("numbers", lambda d: d["groups"][0]["agreement"].update(high=0.5)),
        ("null", lambda d: d["groups"][0]["null_runs"].update(beyond=0.1)),
        ("starts", lambda d: d["pairs"][1].update(birth_holm=0.5, birth_p=1e-5)),
        ("features", lambda d: d["pairs"][0]["matching"]["cosine"].reverse()),
        ("features", lambda d: d["pairs"][0]["matching"]["a"].pop()),
        ("words", lambda d: d["groups"][0].update(word="born alike")),
        ("words", lambda d: d["sentences"].__setitem__(0, "All is well.")),
        ("words", lambda d: d["dictionaries"][0].update(label="other")),
        ("recipe", lambda d: d["dictionaries"][0]["about"].update(k=9)),
        ("files", lambda d: d["dictionaries"][0].update(sha256="0" * 64)),
        ("files", lambda d: d["files"].pop()),
        ("activations", lambda d: d["activations"].update(n_tokens=3)),
        ("versions", lambda d: d.update(reseed="0.0.1")),
        ("numbers", lambda d: d.update(pairs=d["pairs"][1:])),
    ],
)
def test_an_edit_of_a_comparison_is_found_and_named(of_dictionaries, part, change):
    path = compared(of_dictionaries, with_references=False)
    document = read(path)
    change(document)
    write(path, document)
    found = reseed.verify(path)
    assert found.state == "does not hold"
    assert states(found)[part] == "does not hold", states(found)


def test_features_hold_row_by_row(bundle):
    path = features(bundle)
    assert (reseed.verify(path).state, reseed.verify(path).kind) == ("holds", "features")
    whole = read(path)
    for change in (
        lambda rows: rows[4].update(reappearance=0.25),
        lambda rows: rows[4]["partners"][0].update(rank=99),
        lambda rows: rows.pop(),
        lambda rows: rows.__setitem__(slice(0, 2), rows[1::-1]),
        lambda rows: rows.append(rows[0]),
        lambda rows: next(row for row in rows if row["code"] is not None).update(code=None),
    ):
        document = json.loads(json.dumps(whole))
        change(document["rows"])
        write(path, document)
        assert states(reseed.verify(path))["features"] == "does not hold"


def test_what_lay_in_memory_cannot_be_checked(tmp_path):
    path = tmp_path / "compare.json"
    path.write_text(reseed.compare(torch.randn(12, 6), torch.randn(12, 6)).model_dump_json(), encoding="utf-8")
    found = reseed.verify(path)
    assert found.state == "cannot be checked"
    assert "lay in memory" in next(each.sentence for each in found.parts if each.name == "numbers")


def test_findings_hold_and_the_study_stays_as_it_is(bundle):
    before = studies.contents(bundle)
    found = reseed.verify(bundle / "study" / "findings.json")
    assert (found.state, found.kind) == ("holds", "findings"), found.sentence
    assert sum(part.checked for part in found.parts) > 500
    assert studies.contents(bundle) == before


EDITS = {
    "conditions[0].r2.value": lambda d: d["conditions"][0]["r2"].update(value=0.99),
    "conditions[0].measures.agreement.gain.low": lambda d: d["conditions"][0]["measures"]["agreement"]["gain"].update(
        low=0.1
    ),
    "conditions[0].surrogate.last.value": lambda d: d["conditions"][0]["surrogate"]["last"].update(value=0.01),
    "conditions[0].births.found": lambda d: d["conditions"][0]["births"].update(found=7),
    "conditions[0].runs.length": lambda d: d["conditions"][0]["runs"].pop(),
    "answer": lambda d: d.update(answer="They agree."),
    "study.name": lambda d: d["study"].update(name="another"),
    "reseed": lambda d: d.update(reseed="0.1.9"),
    "machine.torch": lambda d: d["machine"].update(torch="9.9"),
    "activations.fingerprint": lambda d: d["activations"].update(fingerprint="0"),
}


@pytest.mark.parametrize("forged", [False, True], ids=["as summed", "summed anew"])
def test_edits_of_findings_are_found_and_named(bundle, forged):
    path = bundle / "study" / "findings.json"
    document = read(path)
    for change in EDITS.values():
        change(document)
    if forged:
        Checksums(path.parent).write_json(path, document)
    else:
        write(path, document)
    found = reseed.verify(path)
    assert states(found)["files"] == ("holds" if forged else "does not hold")
    told = {each.path for part in found.parts for each in part.differences}
    assert told >= EDITS.keys() - {"reseed", "machine.torch"}
    assert told & {"reseed", "machine.torch"}  # one part, of which the worse is told
    parts = ("numbers", "null", "starts", "words", "recipe", "versions", "activations")
    assert {states(found)[part] for part in parts} == {"does not hold"}


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("numbers", lambda d: d["conditions"][0]["r2"].update(value=d["conditions"][0]["r2"]["value"] + 1e-5)),
        ("versions", lambda d: d["machine"].update(torch="9.9")),
        ("files", lambda d: d["judged_from"].pop("manifest.json")),
        ("files", lambda d: d["judged_from"].clear()),
        ("files", lambda d: d["judged_from"].update({"manifest.json": "0" * 64})),
    ],
)
def test_a_single_edit_of_findings_is_found(bundle, part, change):
    path = bundle / "study" / "findings.json"
    document = read(path)
    change(document)
    Checksums(path.parent).write_json(path, document)
    found = reseed.verify(path)
    assert {name for name, state in states(found).items() if state == "does not hold"} == {part}


def test_tables_that_were_forged_with_the_findings_made_of_them_are_found(bundle):
    study = bundle / "study"
    (table,) = study.glob("compared/*/pairs.parquet")
    with Checksums(study).replacing(table) as temporary:
        pl.read_parquet(table).with_columns(pl.col("agreement") * 0.5 + 0.5).write_parquet(temporary)
    honest = read(study / "findings.json")["conditions"][0]["measures"]["agreement"]["between"]["last"]["value"]
    rejudge(study, quiet=True)
    forged = read(study / "findings.json")["conditions"][0]["measures"]["agreement"]["between"]["last"]["value"]
    assert forged > honest + 0.01
    found = reseed.verify(study / "findings.json")
    assert states(found)["files"] == "holds"
    assert states(found)["numbers"] == "does not hold"


def test_a_byte_of_a_run_is_found(bundle):
    snapshot = next((bundle / "study" / "runs").glob("*/step-000000.safetensors"))
    flip(snapshot)
    found = reseed.verify(bundle / "study" / "findings.json")
    assert states(found)["files"] == "does not hold"
    assert "step-000000.safetensors is not what was written" in found.parts[0].sentence


def test_a_study_whose_runs_lie_elsewhere_is_found_through_its_link(bundle, tmp_path):
    (bundle / "study" / "runs").rename(tmp_path / "big")
    (bundle / "study" / "runs").symlink_to(tmp_path / "big")
    assert reseed.verify(bundle / "study" / "findings.json").state == "holds"


def test_a_file_of_the_hub_is_told_by_its_place_and_not_by_that_of_a_cache(bundle):
    asked = find_features(*(f"dictionaries/{name}" for name in DICTIONARIES)).document.asked
    asked = asked.model_copy(update={"sources": ("hf://owner/name/seed0@main", *asked.sources[1:])})
    told = as_its_source("/home/me/.cache/huggingface/cfg.json", "seed0", asked, bundle)
    assert told == "hf://owner/name/seed0@main: cfg.json"
    assert as_its_source(told, "seed0", asked, bundle) == told
    assert as_its_source(bundle / "a", "seed1", asked, bundle) == "a"


def test_findings_outside_of_a_study_need_it(bundle, tmp_path):
    alone = (bundle / "study" / "findings.json").rename(tmp_path / "findings.json")
    with pytest.raises(SpecError, match="is no study, and findings follow from the runs of one: give --folder"):
        reseed.verify(alone)
    assert reseed.verify(alone, folder=bundle / "study").state != "holds"  # it is missing there, and its sum is told


def test_exit_codes_and_lines(bundle, capsys):
    path = compared(bundle)
    code, out, err = typed(capsys, "verify", path)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith(f"{path} holds: all of ")
    document = read(path)
    document["groups"][0]["agreement"]["value"] = 0.25
    write(path, document)
    code, out, _ = typed(capsys, "verify", path)
    assert code == 2
    assert "NO   numbers:     1 of " in out
    assert "groups[0].agreement.value is 0.25, and 0." in out
    code, out, _ = typed(capsys, "verify", path, "--json")
    assert code == 2
    assert json.loads(out)["state"] == "does not hold"
    (bundle / "dictionaries" / "seed0" / "cfg.json").unlink()
    (bundle / "dictionaries" / "seed0" / "sae_weights.safetensors").unlink()
    (bundle / "dictionaries" / "seed0").rmdir()
    code, out, _ = typed(capsys, "verify", path)
    assert code == 1
    assert "dictionaries/seed0 is not here" in out
    assert out.splitlines()[-1] == f"{path} cannot be checked here: files, numbers."


def test_a_sum_that_is_none_is_an_error(bundle):
    with pytest.raises(SpecError, match="give the 64 digits"):
        reseed.verify(bundle / "passport" / "passport.json", sha256="abc")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("[1]", "in the place of an object"),
        ('{"a": 1}', "is no document of reseed"),
        ('{"comparison_version": 99}', "check it with a newer reseed"),
        ('{"comparison_version": 1}', "make it again with this reseed"),
        ('{"passport_version": 1}', "is damaged or was edited"),
        ('{"passport_version": true}', "make it again"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_document_is_an_error(tmp_path, capsys, content, said):
    path = tmp_path / "given.json"
    path.write_text(content, encoding="utf-8")
    code, out, err = typed(capsys, "verify", path)
    assert (code, out) == (1, "")
    assert said in err


class Trap:
    """A pickle that would leave a file behind if anybody opened it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_forged_document_opens_nothing_that_a_reader_would_not(bundle, tmp_path):
    torch.save(Trap(tmp_path / "sprung"), bundle / "trap.pt")
    np.save(bundle / "trap.npy", np.array([Trap(tmp_path / "sprung")], dtype=object))
    path = bundle / "passport" / "passport.json"
    whole = read(path)
    for hostile in (
        "../trap.pt",
        "../trap.npy",
        "../../../../../../../../etc/passwd",
        "/dev/zero",
        "/proc/self/mem",
        "",
    ):
        document = json.loads(json.dumps(whole))
        document["found"]["asked"]["sources"][0] = hostile
        document["found"]["files"][0]["path"] = hostile
        document["found"]["asked"]["null"] = []
        write(path, document, forged=True)
        found = reseed.verify(path)
        assert found.state in {"does not hold", "cannot be checked"}, hostile
        assert states(found)["numbers"] != "holds"
        assert not (tmp_path / "sprung").exists()
        assert "root:" not in found.model_dump_json()


def test_hostile_words_do_not_move_a_terminal(bundle, capsys):
    path = bundle / "passport" / "passport.json"
    document = read(path)
    document["found"]["recipes"][0]["sentence"] = "\x1b[2Jok\nok   numbers: all hold"
    document["found"]["warnings"] = ["\u202egood"]
    write(path, document, forged=True)
    code, out, _ = typed(capsys, "verify", path)
    assert code == 2
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "ok   numbers: all hold" not in out.splitlines()
