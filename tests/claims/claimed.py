"""What the tests of claims share: a small study, its runs as another library has them, and documents about both."""

import json
import shutil
from functools import cache

import reseed
import studies
from reseed.claims.seal import seal_of
from reseed.spec import Floors

DICTIONARIES, NULLS = ("seed0", "seed1", "seed2"), ("null0", "null1", "null2")


def bundle(tmp_path_factory):
    """A folder with `study`, `dictionaries`, `nulls`, `acts.npy` and passports of both; to be copied, not changed."""
    return _bundle(tmp_path_factory.getbasetemp() / "bundle")


@cache
def _bundle(folder):
    folder.mkdir()
    acts = studies.matrix(folder / "acts.npy", 3000)
    arm = studies.arm("topk", start={"kind": "random"}, learning_rate=1e-2)
    small = studies.study(acts, arm, floors=Floors(), steps=120, preprocess=("none",), starts=3)
    reseed.run(small, folder / "study")
    recipe = reseed.Findings.read(folder / "study").conditions[0]
    firsts = {run.start_index: run.id for run in reversed(recipe.runs)}
    firsts = [firsts[start] for start in sorted(firsts)]
    for names, ids, place in ((DICTIONARIES, firsts, "dictionaries"), (NULLS, recipe.surrogate.runs, "nulls")):
        for name, run in zip(names, ids, strict=True):
            found = reseed.read_dictionary(folder / "study" / "runs" / run)
            reseed.write_dictionary(found, folder / place / name, format="saelens")
    reseed.passport(folder / "study", out=folder / "of-study")
    reseed.passport(
        *(folder / "dictionaries" / name for name in DICTIONARIES),
        activations=acts,
        null=[folder / "nulls" / name for name in NULLS],
        out=folder / "passport",
    )
    return folder


def copied(tmp_path_factory, folder, *, without=()):
    """A copy of it, to be spoilt."""
    return shutil.copytree(bundle(tmp_path_factory), folder / "copy", ignore=shutil.ignore_patterns(*without))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write(path, document, *, forged=False):
    """A document; a forger makes the hash of a passport anew, and lets its page and its card disappear."""
    if forged:
        document["sha256"] = seal_of(document)
        for name in ("passport.html", "model-card.md"):
            (path.parent / name).unlink(missing_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def flip(path, place=-1):
    """Another byte at one place of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def states(verified):
    return {part.name: part.state for part in verified.parts}
