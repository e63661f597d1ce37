import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest
import torch
import typer
from safetensors.torch import load_file, save_file

import reseed
from reseed._support.numbers import rounded
from reseed.activations.writer import append_shard, begin_store, finish_store, write_heldout
from reseed.cli import app, main
from reseed.findings import Findings
from reseed.report.paper import written
from reseed.spec import Study
from reseed.verdict import Outcome
from studies import arm, begun_again, contents, finished, full_disk, matrix, study

COMMANDS = [
    "demo",
    "collect",
    "surrogate",
    "geometry",
    "compare",
    "features",
    "passport",
    "verify",
    "init",
    "tune",
    "run",
    "report",
    "export",
    "reproduce",
    "selfcheck",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finished(tmp_path_factory)[0]


def test_a_run_prints_its_findings_on_stdout_and_says_where_the_report_is_on_stderr(tmp_path_factory):
    folder, process = finished(tmp_path_factory)
    assert process.returncode == 0
    findings = Findings.read(folder)
    assert all(name in process.stdout_text for name in findings.verdicts)
    assert process.stderr_text == f"report: {folder / 'report.html'}\n"
    assert (folder / "report.html").stat().st_size > 10_000


def test_a_finished_study_says_so_and_its_page_stays_unless_it_would_become_another(tmp_path_factory, tmp_path, typed):
    again = begun_again(tmp_path_factory, tmp_path)
    page, toml = again / "report.html", again.with_suffix(".toml")
    before, as_it_was = page.stat().st_mtime_ns, page.read_bytes()
    code, _, err = typed("run", toml)
    assert code == 0
    assert err.endswith(f"report: {page}\nfinished already: the findings are as they were\n")
    assert page.stat().st_mtime_ns == before
    damaged = bytearray(as_it_was)
    damaged[len(damaged) // 2] ^= 1
    page.write_bytes(damaged)
    assert typed("run", toml, "--quiet")[0] == 0
    assert page.read_bytes() == as_it_was


READ = """
import sys
from reseed.cli import main
try:
    main(["run", sys.argv[1], "--quiet"])
except SystemExit as ended:
    assert ended.code == 0
print("loaded", *{name.partition(".")[0] for name in sys.modules})
"""


def test_a_finished_study_loads_nothing_that_it_does_not_need(tmp_path_factory, tmp_path):
    toml = begun_again(tmp_path_factory, tmp_path).with_suffix(".toml")
    told = subprocess.run([sys.executable, "-c", READ, toml], check=True, capture_output=True, text=True).stdout
    loaded = set(told.splitlines()[-1].split())
    assert "torch" in loaded
    assert loaded.isdisjoint({"numba", "plotly", "jinja2", "transformers"})


def test_report_prints_what_run_printed(tmp_path_factory, typed):
    folder, process = finished(tmp_path_factory)
    assert typed("report", folder) == (0, process.stdout_text, "")


def test_report_as_json_is_the_file(folder, typed):
    assert typed("report", folder, "--json") == (0, (folder / "findings.json").read_text(), "")
    assert typed("report", folder / "findings.json", "--json")[1] == (folder / "findings.json").read_text()


def test_report_writes_the_page_of_features_beside_what_it_prints(tmp_path_factory, tmp_path, typed):
    again = begun_again(tmp_path_factory, tmp_path)
    before = contents(again)
    code, out, err = typed("report", again, "--features", "--json")
    page = again / "features.html"
    assert (code, out, err) == (0, (again / "findings.json").read_text(), f"{page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    page.unlink()
    assert contents(again) == before


def test_judging_again_changes_no_byte(tmp_path_factory, tmp_path, typed):
    again = begun_again(tmp_path_factory, tmp_path)
    before = contents(again)
    assert typed("report", again, "--rejudge")[0] == 0
    assert contents(again) == before


class Terminal(StringIO):
    """Where bars are drawn."""

    def isatty(self):
        return True


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A study of a second, run with progress bars and a requirement that it misses: its folder and what was told."""
    folder = tmp_path_factory.mktemp("small")
    matrix(folder / "acts.npy", 300)
    training = {"steps": 1, "batch_size": 20, "evenly": 1, "device": "cpu"}
    study("acts.npy", arm("topk", start={"kind": "random"}), training=training, starts=1).write(folder / "study.toml")
    command = ["run", str(folder / "study.toml"), "--out", str(folder / "elsewhere"), "--require", "convergent"]
    with redirect_stdout(StringIO()) as out, redirect_stderr(Terminal()) as err, pytest.raises(SystemExit) as ended:
        main(command)
    return folder / "elsewhere", ended.value.code, out.getvalue(), err.getvalue()


def test_a_run_goes_where_out_says_and_talks_on_stderr_only(small):
    folder, code, out, err = small
    words = ("floors @centre", "train topk@centre", "compare", "report:", "required: convergent")
    assert code == 2
    assert not (folder.parent / "study").exists()
    assert [word for word in words if word not in err] == []
    assert [word for word in words if word in out and word != "compare"] == []
    assert "topk@centre" in out


def test_report_as_html_says_where_it_is(small, typed, tmp_path):
    page = tmp_path / "page.html"
    assert typed("report", small[0], "--html", page) == (0, f"{page}\n", "")
    assert page.read_bytes() == (small[0] / "report.html").read_bytes()


@pytest.mark.parametrize("file", ["runs/*/step-000000.safetensors", "findings.json"])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_to_the_same_bytes(small, typed, file):
    toml, again = small[0].with_name("study.toml"), small[0].with_name(f"without-{file[-8:]}")
    with full_disk(min(path.stat().st_size for path in small[0].glob(file)) - 1):
        code, out, err = typed("run", toml, "--out", again, "--quiet")
    assert (code, out) == (1, "")
    name = file.rsplit("/", 1)[-1]
    made = rf"reseed: File too large: {again}/.*{name}; make room, and the same command goes on from here\n"
    assert re.fullmatch(made, err)
    expected = contents(small[0])
    left = {path: digest for path, digest in contents(again).items() if not path.endswith("SHA256SUMS")}
    assert {path: expected[path] for path in left} == left
    assert "findings.json" not in contents(again)
    reseed.run(Study.read(toml), again, quiet=True)
    assert contents(again) | {"report.html": expected["report.html"]} == expected


WORTH = ("--atoms", "8", "--preprocess", "none,centre", "--quiet")


def test_geometry_prints_tables_and_the_same_numbers_as_json(tmp_path, typed):
    rows = matrix(tmp_path / "acts.npy", 600)
    code, out, err = typed("geometry", rows, *WORTH)
    assert (code, err) == (0, "")
    document = json.loads(typed("geometry", rows, *WORTH, "--json")[1])
    assert [view["preprocess"] for view in document["views"]] == ["none", "centre"]
    assert document["recommendation"][0][:60] in out
    assert rounded(document["views"][1]["effective_rank"], 1) in out
    page = tmp_path / "page.html"
    assert typed("geometry", rows, *WORTH, "--html", page) == (0, f"{page}\n", "")
    assert document["recommendation"][0][:60] in page.read_text()


def test_geometry_of_two_dictionaries_of_any_form_needs_no_activations(folder, tmp_path, typed):
    first, second = sorted((folder / "runs").iterdir())[:2]
    last = max(second.glob("step-*.safetensors"))
    atoms = load_file(last)["atoms"]
    np.save(tmp_path / "b.npy", atoms.numpy())
    save_file({"W_dec": atoms, "b_dec": atoms[0].clone()}, tmp_path / "b.safetensors")
    said, lines = [], []
    for form in (second, last, tmp_path / "b.npy", tmp_path / "b.safetensors"):
        document = json.loads(typed("geometry", "--dictionaries", first, form, "--json", "--quiet")[1])
        assert document["pair"]["second"].pop("name") == str(form)
        lines.append(document["pair"]["second"].pop("told").removeprefix(f"{form}: "))
        said.append(document)
    assert all(each == said[0] for each in said)
    norms = lines[0].split("; ")[0]
    kinds = (
        "TopK, k = 3; reads centred",
        "TopK, k = 3; reads centred",
        "codes unknown; reads raw",
        "codes unknown; reads raw",
    )
    assert lines == [f"{norms}; {kind} activations" for kind in kinds]
    pair = said[0]["pair"]
    expected = reseed.match(load_file(max(first.glob("step-*.safetensors")))["atoms"], atoms)
    assert pair["agreement"] == expected.agreement
    assert pair["second"]["n_atoms"] == len(atoms)


def saved(path, **arrays):
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return [path / f"{name}.npy" for name in arrays]


def good(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


GEOMETRY = {
    "nothing": (lambda _: [], "give activations, two dictionaries, or both"),
    "one dictionary": (lambda path: ["--dictionaries", *saved(path, a=good(9, 4))], "requires 2 arguments"),
    "dictionaries of two widths": (
        lambda path: ["--dictionaries", *saved(path, a=good(9, 4), b=good(9, 5))],
        "d_model differs (the first dictionary 4, the second dictionary 5)",
    ),
    "dictionaries of another width than the activations": (
        lambda path: [saved(path, x=good(90, 7))[0], "--dictionaries", *saved(path, a=good(9, 4), b=good(9, 4))],
        "d_model differs (the activations 7, the first dictionary 4",
    ),
    "a dictionary that is missing": (
        lambda path: ["--dictionaries", path / "none.npy", *saved(path, b=good(9, 4))],
        "none.npy holds no dictionary",
    ),
    "a folder without snapshots": (
        lambda path: ["--dictionaries", path, *saved(path, b=good(9, 4))],
        "holds no dictionary: give",
    ),
    "a dictionary with NaN": (
        lambda path: ["--dictionaries", *saved(path, a=np.full((9, 4), np.nan), b=good(9, 4))],
        "a.npy, atom 0 holds NaN",
    ),
    "a dictionary of zeros": (
        lambda path: ["--dictionaries", *saved(path, a=np.zeros((9, 4)), b=good(9, 4))],
        "a.npy holds zero atoms only",
    ),
    "a dictionary of whole numbers": (
        lambda path: ["--dictionaries", *saved(path, a=np.ones((9, 4), dtype=np.int64), b=good(9, 4))],
        "holds torch.int64",
    ),
    "dictionaries and a number of atoms": (
        lambda path: ["--dictionaries", *saved(path, a=good(9, 4), b=good(9, 4)), "--atoms", "9"],
        "the dictionaries say how many",
    ),
    "fewer tokens than atoms": (
        lambda path: [*saved(path, x=good(90, 7)), "--atoms", "82"],
        "x has 81 training tokens, and each of 82 atoms",
    ),
    "an unknown preprocessing": (
        lambda path: [*saved(path, x=good(90, 7)), "--preprocess", "none,center"],
        "preprocessing 'center' is unknown: choose from none, centre,",
    ),
    "no rows": (lambda path: saved(path, x=good(0, 7)), "shape (0, 7)"),
    "rows that are all equal": (lambda path: [*saved(path, x=np.ones((90, 7))), "--atoms", "4"], "are equal"),
    "rows with NaN": (lambda path: saved(path, x=np.full((90, 7), np.nan)), "holds NaN"),
    "one dimension": (lambda path: [*saved(path, x=good(90, 1)), "--atoms", "4"], "d_model is 1"),
    "two kinds of output": (lambda path: [*saved(path, x=good(90, 7)), "--json", "--html", "a"], "choose one"),
    "one draw": (lambda path: [*saved(path, x=good(90, 7)), "--draws", "1"], "--draws"),
}


@pytest.mark.parametrize("case", GEOMETRY)
def test_a_geometry_that_cannot_be_is_told_in_a_line(case, tmp_path, typed):
    make, words = GEOMETRY[case]
    code, out, err = typed("geometry", "--quiet", *make(tmp_path))
    assert (code, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_tokens_that_are_zero_and_too_few_are_warned_of_not_refused(tmp_path, typed):
    rows = good(100, 7)
    rows[:30] = 0
    code, out, _ = typed("geometry", *saved(tmp_path, x=rows), "--atoms", "3", "--preprocess", "none", "--quiet")
    assert code == 0
    assert "27 of 90 sampled tokens are zero @none" in out
    assert "x: 30 of 100 rows are zero: remove them" in " ".join(out.split())
    assert "every k-means sample is 100 % of the 90 training tokens" in " ".join(out.split())


def outcomes(folder):
    return {str(verdict.outcome) for verdict in Findings.read(folder).verdicts.values()}


def test_a_verdict_that_is_good_enough_exits_with_0(folder, typed):
    assert typed("report", folder, "--require", ", ".join(outcomes(folder)))[0] == 0
    assert typed("report", folder, "--require", ",".join(Outcome))[0] == 0


def test_a_verdict_below_what_is_required_exits_with_2_and_names_the_condition(folder, typed):
    code, out, err = typed("report", folder, "--require", "convergent")
    assert code == 2
    assert out.startswith(typed("report", folder)[1])
    assert err.splitlines() == [
        f"{name} is {verdict.outcome}; required: convergent" for name, verdict in Findings.read(folder).verdicts.items()
    ]


def test_a_number_that_is_required_decides_and_says_where_its_interval_lies(folder, typed):
    code, _, err = typed("report", folder, "--require", "r2 > -9", "--require", "within > 1.5")
    assert code == 2
    lines = err.splitlines()
    assert sum("required: > \N{MINUS SIGN}9.00: reached" in line for line in lines) == len(
        Findings.read(folder).conditions
    )
    assert any("within" in line and "not reached" in line for line in lines)
    assert typed("report", folder, "--require", "r2 > -9")[0] == 0


def test_a_number_of_a_condition_that_is_not_planned_is_refused_before_any_work(small, typed, tmp_path):
    toml = small[0].with_name("study.toml")
    code, out, err = typed("run", toml, "--out", tmp_path / "new", "--require", "relu@centre: between > .5")
    assert (code, out, err) == (1, "", "reseed: --require relu@centre: no such condition; this study has topk@centre\n")
    assert not (tmp_path / "new").exists()


def test_findings_that_fell_behind_those_from_before_exit_with_2(folder, typed, tmp_path):
    findings = Findings.read(folder)
    code, out, err = typed("report", folder, "--against", folder)
    assert (code, err) == (0, "")
    assert "Against before: none of" in out
    r2 = findings.conditions[0].r2.model_copy(update={"value": 9.0, "standard_error": 0.0})
    better = findings.conditions[0].model_copy(update={"r2": r2})
    findings.model_copy(update={"conditions": (better, *findings.conditions[1:])}).write(tmp_path / "findings.json")
    code, out, err = typed("report", folder, "--against", tmp_path, "--json")
    assert code == 2
    assert json.loads(out)
    assert any(f"{better.name}" in line and "9.00" in line and line.endswith("FELL") for line in err.splitlines())


@pytest.mark.parametrize("form", ["markdown", "latex", "csv"])
def test_tables_for_a_paper_are_printed_whole(folder, typed, form):
    assert typed("report", folder, "--format", form) == (0, written(Findings.read(folder), form), "")
    code, out, err = typed("report", folder, "--format", form, "--json")
    assert (code, out, err) == (1, "", f"reseed: --json and --format {form} were both given: choose one\n")


@pytest.mark.parametrize("command", ["run", "report"])
def test_an_unknown_requirement_is_refused_before_any_work(tmp_path, typed, command):
    code, out, err = typed(command, tmp_path / "study.toml", "--require", "convergant")
    assert (code, out) == (1, "")
    assert err.startswith(f"reseed: --require convergant: choose from {', '.join(Outcome)}; or require a number")


COLLECT = ["collect", "m", "--text", "t", "--tokens", "9", "--out", "o"]
USAGE = {
    "an unknown command": (["runn"], "no such command 'runn'. Did you mean 'run'?; see  reseed --help"),
    "an unknown option": (["run", "study.toml", "--quite"], "--quiet, --require); see  reseed run --help"),
    "a missing argument": (["run"], "missing argument 'study'; see  reseed run --help"),
    "a missing option": (["collect", "smollm2"], "missing option '--layer'; see  reseed collect --help"),
    "a word for a number": ([*COLLECT, "--layer", "x"], "invalid value for '--layer': it has to be a whole number"),
    "a number out of range": ([*COLLECT, "--layer", "-1"], "invalid value for '--layer': it has to be at least 0"),
    "an unknown model": (["demo", "--model", "gpt"], "'gpt' is not one of 'smollm2', 'minilm'"),
    "an unknown study": (["reproduce", "everything"], "ablating-archetypes"),
    "an option without its value": (["run", "study.toml", "--out"], "requires an argument"),
    "one argument too many": (["report", "a", "b"], "unexpected extra argument"),
    "a folder for a study": (["run", "."], ". is a folder"),
    "nothing for a study": (["run", ""], ". is a folder"),
    "a folder for a study to tune": (["tune", "."], ". is a folder"),
    "a folder for an empty study": (["init", ".", "--force"], ". could not be read or written: it is a folder; name a"),
    "no part of a selfcheck": (["selfcheck", "--only", ""], "--only : choose from intervals"),
    "a long name": (["init", "x" * 300], "the name is too long; choose another place"),
}


@pytest.mark.parametrize("mistake", USAGE)
def test_a_slip_of_the_fingers_exits_with_1_and_says_what_was_meant(mistake, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, words = USAGE[mistake]
    code, out, err = typed(*arguments)
    assert (code, out) == (1, "")
    assert words in err
    assert err.startswith("reseed: ")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def placed(path):
    """One of everything that is no study."""
    matrix(path / "acts.npy", 300)
    study("acts.npy").write(path / "study.toml")
    (path / "page.html").write_text("<html></html>")
    (path / "tuning.json").write_text('{"format_version": 1, "trials": []}')
    (path / "empty").mkdir()
    damaged_store(path)
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("store", "a store of activations, not a study"),
        ("acts.npy", "a matrix, not a study"),
        ("page.html", "a page, not a study"),
        ("tuning.json", "what  reseed tune  wrote, not a study"),
        ("study.toml", "a TOML file, not a study"),
        ("empty", "a folder, not a study"),
        (".", "a folder with a study.toml, not a study"),
        ("nothing", "nothing does not exist"),
    ],
)
def test_what_is_no_study_is_called_what_it_is(tmp_path, typed, name, words):
    path = placed(tmp_path) / name
    for arguments in ([], ["--json"], ["--rejudge"]):
        code, out, err = typed("report", path, *arguments)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert words in err or (arguments == ["--rejudge"] and "not a study" in err)


def test_a_page_is_not_written_where_a_folder_lies(folder, typed, tmp_path):
    assert typed("report", folder, "--html", tmp_path) == (
        1,
        "",
        f"reseed: {tmp_path} could not be read or written: it is a folder; name a file\n",
    )


def test_a_study_below_a_file_says_which_file(tmp_path, typed):
    study(matrix(tmp_path / "acts.npy", 300), arm("topk", start={"kind": "random"})).write(tmp_path / "study.toml")
    code, out, err = typed("run", tmp_path / "study.toml", "--out", tmp_path / "acts.npy" / "out", "--quiet")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert f"{tmp_path / 'acts.npy'} is a file, and a folder is needed; choose another --out" in err


def test_the_version_is_printed(typed):
    assert typed("--version") == (0, f"reseed {reseed.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_a_word_on_every_option(command, typed):
    code, out, _ = typed(command, "--help")
    assert code == 0
    options = [line for line in out.splitlines() if line.startswith("  --")]
    assert options
    assert all(len(line.split("  ")) > 2 or line.startswith("  --help") for line in options if len(line) < 40)


def test_help_says_in_80_columns_what_every_command_does(typed, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = typed("--help")
    lines = [line for line in out.split("Commands:")[1].splitlines() if line.strip()]
    assert not [line for line in lines if len(line) > 80 or line.endswith(("...", "…"))]
    listed = dict(line.split(maxsplit=1) for line in lines)
    helped = {name: command.help for name, command in typer.main.get_command(app).commands.items()}
    assert listed == {name: said.partition("\n")[0] for name, said in helped.items()}
    assert all(said.endswith(".") and ". " not in said for said in listed.values())  # one whole sentence
    assert list(listed) == COMMANDS


def test_help_needs_no_torch():
    light = (
        "import sys, reseed.cli\n"
        "try: reseed.cli.main(['run', '--help'])\n"
        "except SystemExit: sys.exit('torch' in sys.modules or 'polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", light], check=False, stdout=subprocess.DEVNULL).returncode == 0


def poor(path, spoil):
    rows = np.load(matrix(path / "whole.npy", 300))
    np.save(path / "acts.npy", spoil(rows))
    return "acts.npy"


def nan_in_row(number):
    def spoil(rows):
        rows[number, 3] = np.nan
        return rows

    return spoil


def damaged_store(path):
    """A store with one flipped bit in its second shard."""
    rows = torch.from_numpy(np.load(matrix(path / "whole.npy", 300)))
    store = path / "store"
    manifest = begin_store(store, about={"model": "by hand"}, d_model=rows.shape[1], dtype="fp32")
    manifest = write_heldout(store, manifest, rows[:40])
    for shard in (rows[40:160], rows[160:]):
        manifest = append_shard(store, manifest, shard)
    finish_store(store, manifest)
    shard = store / "shard-00001.safetensors"
    damaged = bytearray(shard.read_bytes())
    damaged[-5] ^= 1
    shard.write_bytes(damaged)
    return "store"


def no_floats(path):
    save_file({"x": torch.ones(300, 4, dtype=torch.int64)}, path / "acts.safetensors")
    return "acts.safetensors"


def two_tensors(path):
    save_file({"x": torch.ones(300, 4), "y": torch.ones(300, 4)}, path / "acts.safetensors")
    return "acts.safetensors"


def no_matrix(path):
    (path / "acts.npy").write_bytes(b"\x93NUMPY and nothing else")
    return "acts.npy"


ACTIVATIONS = {
    "a missing file": (lambda _: "nothing.npy", "nothing.npy does not exist"),
    "a file of another kind": (lambda path: (path / "acts.txt").write_text("1 2") and "acts.txt", "is not one of .npy"),
    "a file that is no matrix": (no_matrix, "cannot be read as a .npy matrix"),
    "whole numbers": (no_floats, "holds torch.int64"),
    "two tensors": (two_tensors, "holds 2 tensors"),
    "a cube": (lambda path: poor(path, lambda rows: rows.reshape(30, 10, -1)), r"of shape (30, 10, 17)"),
    "a row with NaN": (lambda path: poor(path, nan_in_row(7)), "row 7 holds NaN"),
    "a held-out row with NaN": (lambda path: poor(path, nan_in_row(299)), "row 299 holds NaN"),
    "too few rows": (lambda path: poor(path, lambda rows: rows[:9]), "at least 10 are needed"),
    "too few tokens for the batch": (lambda path: poor(path, lambda rows: rows[:33]), "too few for a batch of 31"),
    "too few tokens for the atoms": (lambda path: poor(path, lambda rows: rows[:35]), "has 32 training tokens"),
    "an empty folder": (lambda path: (path / "acts").mkdir() or "acts", "holds neither"),
    "a store with a flipped bit": (damaged_store, "shard-00001.safetensors"),
}


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_bad_activations_are_one_line_and_leave_nothing_behind(tmp_path, typed, case):
    make, words = ACTIVATIONS[case]
    study(make(tmp_path), arm("topk", start={"kind": "random"})).write(tmp_path / "study.toml")
    before = contents(tmp_path)
    code, out, err = typed("run", tmp_path / "study.toml", "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("reseed: ")
    assert len(err.splitlines()) == 1
    assert words in err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist: write one with  reseed init"),
        ("starts = ", "cannot be read as TOML"),
        (
            "activations = 'a.npy'\n[[arms]]\nname = 'a'\nmethod = 'topk'\nstart = { kind = 'data' }",
            "a method is a table",
        ),
        ("activations = 'a.npy'\nstarts = 0\narms = []", "starts: has to be at least 1"),
    ],
)
def test_a_bad_study_is_told_with_its_field_and_leaves_nothing_behind(tmp_path, typed, content, words):
    if content is not None:
        (tmp_path / "study.toml").write_text(content)
    code, out, err = typed("run", tmp_path / "study.toml", "--quiet")
    assert (code, out) == (1, "")
    assert err.startswith("reseed: ")
    assert words in err
    assert len(list(tmp_path.iterdir())) == (content is not None)


def test_a_matrix_in_the_place_of_a_study_is_told_as_one(tmp_path, typed):
    code, _, err = typed("run", matrix(tmp_path / "acts.npy", 300), "--quiet")
    assert code == 1
    assert "acts.npy is a matrix, not a study.toml" in err
    assert len(err.splitlines()) == 1


def test_a_file_in_the_place_of_the_study_folder_is_one_line(tmp_path, typed):
    study(matrix(tmp_path / "acts.npy", 300), arm("topk", start={"kind": "random"})).write(tmp_path / "study.toml")
    (tmp_path / "out").write_text("mine")
    code, _, err = typed("run", tmp_path / "study.toml", "--out", tmp_path / "out", "--quiet")
    assert (code, len(err.splitlines())) == (1, 1)
    assert str(tmp_path / "out") in err
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--rejudge"], ["--html", "page.html"]])
def test_a_report_on_nothing_is_one_line(tmp_path, typed, arguments):
    code, out, err = typed("report", tmp_path, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("reseed: ")
    assert len(err.splitlines()) == 1


def test_a_report_on_findings_of_another_version_says_which(folder, tmp_path, typed):
    document = json.loads((folder / "findings.json").read_text()) | {"findings_version": 99}
    (tmp_path / "findings.json").write_text(json.dumps(document))
    code, _, err = typed("report", tmp_path)
    assert code == 1
    assert "has findings version 99; this reseed reads version 4: judge the study again with" in err
