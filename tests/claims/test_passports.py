"""A passport holds, moves with its files, and every edit of it, or of a file that it names, is found."""

import json
import shutil

import claimed
import pytest
import torch
from claimed import DICTIONARIES, flip, read, states, write

import reseed
import studies
from reseed.cli import main
from reseed.errors import DictionaryError, SpecError
from reseed.report.passport_page import page

MADE = ("passport.html", "model-card.md", "passport.json")


@pytest.fixture
def bundle(tmp_path_factory, tmp_path):
    return claimed.copied(tmp_path_factory, tmp_path)


@pytest.fixture
def of_dictionaries(tmp_path_factory, tmp_path):
    return claimed.copied(tmp_path_factory, tmp_path, without=("study", "of-study"))


@pytest.mark.parametrize("name", ["passport", "of-study"])
def test_a_passport_holds_wherever_it_is_moved_with_its_files(bundle, name, tmp_path, monkeypatch):
    found = reseed.verify(bundle / name / "passport.json")
    assert (found.state, found.kind) == ("holds", "passport")
    assert set(states(found).values()) == {"holds"}
    moved = tmp_path / "elsewhere" / "deep"
    moved.parent.mkdir()
    bundle.rename(moved)
    monkeypatch.chdir(moved / name)
    assert reseed.verify("passport.json").state == "holds"


def test_a_passport_says_what_features_say_and_no_text(bundle):
    found = read(bundle / "passport" / "passport.json")
    paths = [bundle / "dictionaries" / name for name in DICTIONARIES]
    nulls = sorted((bundle / "nulls").iterdir())
    whole = reseed.reappearance.find_features(*paths, activations=bundle / "acts.npy", null=nulls)
    (recipe,) = whole.document.recipes
    assert found["found"]["recipes"][0]["sentence"] == recipe.sentence
    assert [each["run"] for each in found["features"]] == list(DICTIONARIES)
    told = [share for each in found["features"] for share in each["reappearance"]]
    assert told == whole.table["reappearance"].to_list()
    cosines = [cosine for each in found["features"] for cosine in each["cosine"]]
    assert cosines == pytest.approx(whole.table["cosine"].to_list(), abs=1e-7)
    low = {share["reappearance"]: share["low"] for share in found["features"][0]["intervals"]}
    assert [low[share] for share in told] == whole.table["low"].to_list()
    assert [each["path"] for each in found["found"]["files"]][:2] == [
        "../dictionaries/seed0/cfg.json",
        "../dictionaries/seed0/sae_weights.safetensors",
    ]
    assert found["found"]["asked"]["null"] == ["../nulls/null0", "../nulls/null1", "../nulls/null2"]
    assert all(not each["texts"] for each in found["found"]["recipes"][0]["most"])
    assert str(bundle) not in (bundle / "passport" / "passport.json").read_text(encoding="utf-8")


def test_two_makings_are_equal_to_the_byte(bundle):
    paths = [bundle / "dictionaries" / name for name in DICTIONARIES]
    nulls = sorted((bundle / "nulls").iterdir())
    before = {name: (bundle / "passport" / name).read_bytes() for name in MADE}
    reseed.passport(*paths, activations=bundle / "acts.npy", null=nulls, out=bundle / "passport", force=True)
    assert {name: (bundle / "passport" / name).read_bytes() for name in MADE} == before


def of(*path):
    """A place in a document, and how it becomes another."""

    def change(document, new):
        *most, last = path
        for name in most:
            document = document[name]
        document[last] = new(document[last])

    return change


RECIPE = ("found", "recipes", 0)


def another(value):
    if isinstance(value, bool):
        return not value
    return f"{value}x" if isinstance(value, str) else value + 1e-3


def swapped(values):
    first = next(i for i, value in enumerate(values) if value != values[0])
    return [values[first], *values[1:first], values[0], *values[first + 1 :]]


EDITS = {
    "the reappearance of one feature": (of("features", 0, "reappearance", 3), lambda share: 1.0 - share, "features"),
    "an end of an interval": (of("features", 1, "intervals", 0, "high"), another, "features"),
    "a cosine": (of("features", 2, "cosine", 7), lambda cosine: cosine + 1e-5, "features"),
    "a correlation of codes": (of("features", 0, "code", 1), another, "features"),
    "a class": (of("features", 0, "classes", 5), lambda which: which + 1, "features"),
    "what is expected": (of("features", 0, "expected"), another, "features"),
    "the name of a run": (of("features", 0, "run"), another, "features"),
    "a feature removed": (of("features", 0, "cosine"), lambda column: column[:-1], "features"),
    "two features swapped": (of("features", 0, "cosine"), swapped, "features"),
    "a feature twice": (of("features", 1, "classes"), lambda column: [column[0], *column], "features"),
    "a run removed": (of("features"), lambda runs: runs[:-1], "features"),
    "a run twice": (of("features"), lambda runs: [*runs, runs[0]], "features"),
    "the share that comes back": (of(*RECIPE, "reappearance", "value"), another, "numbers"),
    "its interval": (of(*RECIPE, "reappearance", "low"), another, "numbers"),
    "the null": (of(*RECIPE, "null_reappearance", "value"), another, "null"),
    "what the null is": (of(*RECIPE, "null"), another, "null"),
    "the coverage": (of(*RECIPE, "recapture", "coverage", "value"), another, "numbers"),
    "how many were found once": (of(*RECIPE, "recapture", "frequencies", 0), lambda count: count + 1, "numbers"),
    "a stratum": (of(*RECIPE, "strata", 0, "strata", 0, "many_to_one"), another, "numbers"),
    "a p of birth": (of(*RECIPE, "births", 0, "p"), another, "starts"),
    "who was born alike": (of(*RECIPE, "births", 1, "alike"), another, "starts"),
    "who was left out": (of(*RECIPE, "left_out"), lambda runs: [*runs, "seed9"], "starts"),
    "the sentence": (of(*RECIPE, "sentence"), lambda said: said.replace("%", " of 10", 1), "words"),
    "a label": (of(*RECIPE, "runs", 0), another, "words"),
    "the recipe": (of(*RECIPE, "recorded", 0, "about"), lambda about: about | {"k": 99}, "recipe"),
    "a seed": (of(*RECIPE, "recorded", 0, "n_atoms"), lambda count: count + 1, "recipe"),
    "a warning": (of("found", "warnings"), lambda told: [*told, "all is well"], "numbers"),
    "the threshold": (of(*RECIPE, "cosine"), another, "numbers"),
    "the threshold that was asked for": (of("found", "asked", "cosine"), lambda _: 0.95, "numbers"),
    "a hash of a file": (of("found", "files", 0, "sha256"), lambda told: told[::-1], "files"),
    "a size of a file": (of("found", "files", 1, "n_bytes"), lambda count: count + 1, "files"),
    "a file removed": (of("found", "files"), lambda files: files[1:], "files"),
    "the version": (of("made", "reseed"), lambda _: "0.0.9", "versions"),
    "no version": (of("made", "reseed"), lambda _: "latest", "versions"),
    "the inner version": (of("found", "reseed"), lambda _: "0.2.0", "versions"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("forged", [False, True], ids=["as it was hashed", "hashed anew"])
def test_an_edit_of_a_passport_is_found_and_named(of_dictionaries, edit, forged):
    change, new, part = EDITS[edit]
    path = of_dictionaries / "passport" / "passport.json"
    document = read(path)
    change(document, new)
    write(path, document, forged=forged)
    found = reseed.verify(path)
    assert found.state == "does not hold", states(found)
    assert states(found)[part] == "does not hold", states(found)
    assert states(found)["own hash"] == ("holds" if forged else "does not hold")
    told = next(each for each in found.parts if each.name == part)
    assert part == "versions" or told.differences or told.sentence
    assert found.sentence.endswith(".")
    assert part in found.sentence


def test_the_fingerprint_of_activations_and_the_hash_itself_are_held_to(bundle):
    path = bundle / "passport" / "passport.json"
    document = read(path)
    document["sha256"] = document["sha256"][::-1]
    write(path, document)
    assert states(reseed.verify(path))["own hash"] == "does not hold"
    document["found"]["activations"]["fingerprint"] = "0" * 64
    write(path, document, forged=True)
    assert states(reseed.verify(path))["activations"] == "does not hold"


def test_what_a_study_records_of_its_versions_is_held_to(bundle):
    path = bundle / "of-study" / "passport.json"
    for name in ("reseed", "torch", "device"):
        document = read(bundle.parent / "copy" / "of-study" / "passport.json")
        document["trained"][name] += "9"
        write(path, document, forged=True)
        found = reseed.verify(path)
        assert states(found)["versions"] == "does not hold"
        document["trained"][name] = document["trained"][name][:-1]
        write(path, document, forged=True)
    assert reseed.verify(path).state == "holds"


def test_another_version_of_torch_is_noted_and_counts_neither_way_but_the_card_tells(bundle):
    path = bundle / "passport" / "passport.json"
    card = (bundle / "passport" / "model-card.md").read_text(encoding="utf-8")
    digest = card.partition("--sha256 ")[2].split()[0]
    assert reseed.verify(path, sha256=digest).state == "holds"
    document = read(path)
    document["made"]["torch"] = "1.0"
    write(path, document, forged=True)
    found = reseed.verify(path)
    assert (found.state, states(found)["versions"]) == ("holds", "noted")
    assert f"torch 1.0 (here {torch.__version__})" in next(p.sentence for p in found.parts if p.name == "versions")
    assert states(reseed.verify(path, sha256=digest))["file"] == "does not hold"


@pytest.mark.parametrize(
    ("name", "file", "part"),
    [
        ("passport", "dictionaries/seed1/sae_weights.safetensors", "files"),
        ("passport", "dictionaries/seed2/cfg.json", "files"),
        ("passport", "nulls/null0/sae_weights.safetensors", "files"),
        ("passport", "acts.npy", "activations"),
        ("passport", "passport/passport.html", "page"),
        ("passport", "passport/model-card.md", "model card"),
        ("of-study", "study/manifest.json", "files"),
        ("of-study", "study/study.toml", "files"),
    ],
)
def test_a_byte_of_a_file_is_found(bundle, name, file, part):
    flip(bundle / file, -4 if file.endswith(("json", "toml", "html")) else -1)
    found = reseed.verify(bundle / name / "passport.json")
    assert found.state == "does not hold"
    assert states(found)[part] == "does not hold"


def test_a_byte_of_a_run_of_a_study_is_found(bundle):
    path = bundle / "of-study" / "passport.json"
    named = [each["path"] for each in read(path)["found"]["files"] if each["path"].endswith(".safetensors")]
    flip(path.parent / named[0])
    found = reseed.verify(path)
    assert states(found)["files"] == "does not hold"
    assert next(each for each in found.parts if each.name == "files").differences[0].path == named[0]


def test_a_passport_alone_cannot_be_checked_but_its_edits_are_found(bundle, tmp_path):
    alone = tmp_path / "alone" / "passport.json"
    alone.parent.mkdir()
    shutil.copy(bundle / "passport" / "passport.json", alone)
    found = reseed.verify(alone)
    assert found.state == "cannot be checked"
    assert states(found) == {
        "own hash": "holds",
        "files": "cannot be checked",
        "versions": "holds",
        "numbers": "cannot be checked",
    }
    assert "give --folder" in next(each.sentence for each in found.parts if each.name == "numbers")
    assert reseed.verify(alone, folder=bundle / "passport").state == "holds"
    document = read(alone)
    document["found"]["recipes"][0]["reappearance"]["value"] = 0.9
    write(alone, document)
    assert reseed.verify(alone).state == "does not hold"


def test_activations_may_lie_elsewhere(bundle):
    path = bundle / "passport" / "passport.json"
    (bundle / "moved").mkdir()
    (bundle / "acts.npy").rename(bundle / "moved" / "acts.npy")
    found = reseed.verify(path)
    assert found.state == "cannot be checked"
    assert "give --activations" in next(each.sentence for each in found.parts if each.name == "numbers")
    assert reseed.verify(path, activations=bundle / "moved" / "acts.npy").state == "holds"


def test_words_of_others_are_shown_and_not_obeyed(bundle):
    hostile = ["</td><script>alert(1)</script>", "a\x1b[31m\u202e", "![x](http://evil) `c`"]
    made = reseed.passport(
        *(bundle / "dictionaries" / name for name in DICTIONARIES), labels=hostile, out=bundle / "hostile"
    )
    html = (bundle / "hostile" / "passport.html").read_text(encoding="utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "default-src 'none'" in html
    assert page(made, "0") == page(made, "0")
    card = (bundle / "hostile" / "model-card.md").read_text(encoding="utf-8")
    assert "![x](" not in card
    assert "<script" not in card
    assert reseed.verify(bundle / "hostile" / "passport.json").state == "holds"


def test_nothing_is_left_where_a_passport_cannot_be_made(bundle, tmp_path):
    paths = [bundle / "dictionaries" / name for name in DICTIONARIES]
    before = studies.contents(bundle)
    with pytest.raises(SpecError, match="holds seed0: choose another folder"):
        reseed.passport(*paths, out=bundle / "dictionaries")
    with pytest.raises(SpecError, match="holds a passport already"):
        reseed.passport(*paths, out=bundle / "passport")
    with pytest.raises(SpecError, match="is a file"):
        reseed.passport(*paths, out=bundle / "acts.npy")
    with pytest.raises(SpecError, match="a tensor in memory was given"):
        reseed.passport(torch.randn(9, 4), torch.randn(9, 4), out=tmp_path / "new")
    with pytest.raises(DictionaryError):
        reseed.passport(paths[0], bundle / "nothing", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert studies.contents(bundle) == before


def test_a_passport_of_many_features_stays_small(bundle):
    document = (bundle / "passport" / "passport.json").read_text(encoding="utf-8")
    columns = json.dumps(json.loads(document)["features"], separators=(",", ":"))
    atoms = sum(each["atoms"] for each in json.loads(document)["features"])
    assert len(columns) / atoms < 50


def test_the_command_writes_a_passport_and_says_where(bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(bundle)
    given = ["passport", "dictionaries/seed0", "dictionaries/seed1", "--out", str(tmp_path / "new"), "--quiet"]
    for again in ([], ["--force"]):
        with pytest.raises(SystemExit) as ended:
            main([*given, *again])
        assert ended.value.code == 0
        told = capsys.readouterr()
        assert told.out == f"{tmp_path / 'new'}\n"
        assert "of the matched atoms come back in another run" in told.err
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(MADE)
    assert reseed.verify(tmp_path / "new" / "passport.json").state == "holds"
    with pytest.raises(SystemExit) as ended:
        main(given)
    assert ended.value.code == 1
    assert "holds a passport already" in capsys.readouterr().err
