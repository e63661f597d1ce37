# ruff: noqa: INP001, RUF001 (a script, with prose in it)
"""Write the pages that are made from the source:  python docs/pages.py.  A test compares them with those committed."""

from __future__ import annotations

import re
import runpy
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reseed._support.files import write_text
from reseed.claims import VERIFIED_VERSION, Verified
from reseed.comparison.definitions import DEFINITIONS
from reseed.comparison.document import COMPARISON_VERSION, DictionaryComparison
from reseed.floors import FLOORS
from reseed.geometry.document import GEOMETRY_VERSION, Geometry
from reseed.interop import READERS, WRITERS
from reseed.measures import MEASURES
from reseed.methods import METHODS, Method
from reseed.pipeline.template import template, toml_value
from reseed.reappearance import COLUMNS, FEATURES_VERSION, PARTNER, Features
from reseed.reappearance.passport import PASSPORT_VERSION, Passport
from reseed.report.schema import tables
from reseed.spec import Arm, Dice, FeatureRule, Floors, Study, Thresholds, Training
from reseed.spec.fields import Described, describe
from reseed.starts import STARTS, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

DOCS = Path(__file__).parent

_STUDY = """\
# study.toml

<!-- Made by docs/pages.py from the models in src/reseed/spec/, starts/ and methods/. Edit those. -->

A study is arms × preprocessings. An arm is a method and where its dictionaries start; seen through one preprocessing it
is a *condition*, called `arm@preprocessing`. Every condition is trained from `starts` independent starts, and
`runs_per_start` times from each of them. Words are those of the [glossary](glossary.md).

`reseed init` writes the whole file [with comments](#the-file-that-reseed-init-writes). This much is enough:

```toml
activations = "activations"

[[arms]]
name = "topk"
method = { kind = "topk", n_atoms = 2048, k = 32 }
start = { kind = "random" }

[[arms]]
name = "ra-topk"
method = { kind = "ra-topk", n_atoms = 2048, k = 32 }
start = { kind = "kmeans" }
```

A field that is not known, or a value that is not allowed, is an error that names the field; nothing is ignored. What
decides a run's result (method, start, training, rolls, preprocessing, activations) decides its identity. Changing
`name`, the names of arms, `floors`, `thresholds` or `features`, or adding arms, preprocessings, starts, runs or steps
in `spawn_at`, keeps the runs that are trained; changing anything that decides a run needs another study folder.
So does a study that was begun when points for a method with a decoder bias were not yet less that bias: it is judged,
and not continued.

"""

_PREPROCESSINGS = """\
### Preprocessings

Applied when rows are read; the stored activations are never rewritten. μ and Σ are the mean and covariance of the
training rows, d is d_model.

| name | x becomes |
|---|---|
| `none` | x |
| `centre` | x − μ |
| `centre-scale` | (x − μ) / √(tr Σ / d): one scalar, so that the mean squared norm is d |
| `standardise` | every dimension divided by its own standard deviation after centring; a constant one becomes 0 |
| `whiten` | Σ^(−1/2) (x − μ), with Σ shrunk by a hundredth towards a multiple of the identity |
| `unit-norm` | x / ‖x‖; a zero row stays zero |

"""

_METHODS = """\
## `[arms.method]`

`kind` chooses the method; the other fields depend on it. All of them are sparse autoencoders: with u = x / scale −
decoder_bias the codes are relu(encoder · u + encoder_bias), or what thresholds or gates make of that, and the
reconstruction is scale · (codes · dictionary + decoder_bias). `scale` is the root mean square distance of the
activations to their mean, per dimension, or 1 without `rescale`. The loss is the mean squared error over tokens and
dimensions in these units, plus a penalty where there is one ([mathematics](mathematics.md#1-dictionaries-and-methods)).
`batchtopk` and `matryoshka` keep k codes per token on average over a batch, and in evaluation those above one
threshold; `matryoshka` adds up the errors of dictionaries within one another.
Adam with betas `beta1` and .999 updates what is trained.

"""

_ARCHETYPAL = """\
The dictionary is D = (V C + Λ) · exp(m): C are the points of the start, the rows of the mixing weights V are
non-negative and sum to 1, every row of Λ stays in a ball, m is one number (@fel2025archetypal). For `a-topk` Λ is 0.
After each update V and Λ are put back where they belong, outside the gradient. `resample_every` must not be set: an
activation is no mixture of the points.

"""

_START = """\
Which dice a start is drawn from depends on its kind; see [starts and dice](concepts/dice.md). Archetypal methods need a
kind that makes points. Where a start has more points than the method has atoms, methods that are not archetypal
take the first `n_atoms` of them, as does `weights = "identity"`.

"""

_DICE = """\
`shared`: all runs share the roll. `start`: the runs of one start share it. `run`: every run has its own.
An arm's own `dice` table overrides this one. See [starts, runs and seven dice](concepts/dice.md).

"""

_THRESHOLDS = """\
How they enter the rules is told in [verdicts and their rules](concepts/verdicts.md). They are read when a study is
judged, so that a finished study can be judged by others: edit the `study.toml` in the study folder and run
`reseed report STUDY --rejudge`.

"""


_FEATURE_RULE = """\
For [`reseed features`](commands/features.md) of the study, whose `--cosine` and `--code` go before them, and for the
`features.parquet` that `reseed run` writes. They change no run and no verdict: in a finished study they may be edited
as thresholds are, and `reseed features STUDY` writes the table anew.

"""


def study_toml() -> str:
    """The reference page of study.toml."""
    methods = (part for kind, model in METHODS.items() for part in _method(kind, model))
    return "".join(
        [
            _STUDY,
            "## The study\n\n",
            _table(Study, leave_out={"arms", "training", "dice", "floors", "thresholds", "features"}),
            _PREPROCESSINGS,
            f"## `[[arms]]`\n\n{Arm.meaning()}\n\n",
            _table(Arm, leave_out={"method", "start"}),
            _METHODS,
            *methods,
            f"## `[arms.start]`\n\n{Start.meaning()}\n\n",
            _START,
            _kinds(),
            _table(Start),
            f"## `[training]`\n\n{Training.meaning()}\n\n",
            _table(Training),
            f"## `[dice]`\n\n{Dice.meaning()}\n\n",
            _DICE,
            _table(Dice),
            f"## `[floors]`\n\n{Floors.meaning()} See [floors](concepts/floors.md).\n\n",
            _table(Floors),
            f"## `[thresholds]`\n\n{Thresholds.meaning()}\n\n",
            _THRESHOLDS,
            _table(Thresholds),
            f"## `[features]`\n\n{FeatureRule.meaning()}\n\n",
            _FEATURE_RULE,
            _table(FeatureRule),
            "## The file that `reseed init` writes\n\n```toml\n",
            template("activations"),
            "```\n",
        ]
    )


def _method(kind: str, model: type[Method]) -> Iterator[str]:
    yield f"### `{kind}`: {model.title}\n\n{model.meaning()}\n\n"
    if "multiplier" in model.model_fields:
        yield _ARCHETYPAL
    if model.points_per_atom > 1:
        yield f"Where `n_points` is not set, its start draws {model.points_per_atom} points for each atom.\n\n"
    yield _table(model)


def _kinds() -> str:
    """The kinds of start."""
    rows = [
        f"| `{kind.name}` | {kind.meaning} | {', '.join(f'`{die}`' for die in kind.dice)} | "
        f"{'yes' if kind.makes_points else 'no'} |"
        for kind in STARTS.values()
    ]
    return "\n".join(["| kind | atoms start as | dice | makes points |", "|---|---|---|---|", *rows]) + "\n\n"


def _table(model: type[BaseModel], *, leave_out: frozenset[str] | set[str] = frozenset()) -> str:
    fields = (field for field in describe(model) if field.name not in leave_out)
    rows = [f"| `{field.name}` | {_allowed(field)} | {_default(field)} | {_sentence(field)} |" for field in fields]
    return "\n".join(["| field | value | default | |", "|---|---|---|---|", *rows]) + "\n\n"


def _allowed(field: Described) -> str:
    return (
        ", ".join(f"`{word}`" for word in field.choices) or field.kind.replace(">=", "≥").replace("<=", "≤") or "table"
    )


def _default(field: Described) -> str:
    if field.required:
        return "required"
    return "not set" if field.default is None else f"`{toml_value(field.default)}`"


def _sentence(field: Described) -> str:
    """What the field means, in TOML's words."""
    return field.meaning.replace("None:", "not set:").replace("False:", "false:").replace("|", "\\|")


_REFERENCES = """\
# References

<!-- Made by docs/pages.py from docs/references.bib. Edit that. -->

Source and documentation cite by key. The entries are in [references.bib](references.bib).

"""


class Reference(NamedTuple):
    """One entry of the bibliography."""

    key: str
    fields: dict[str, str]


def references() -> str:
    """The page of references."""
    entries = bibliography((DOCS / "references.bib").read_text(encoding="utf-8"))
    return _REFERENCES + "\n".join(_reference(entry) for entry in sorted(entries)) + "\n"


def bibliography(bib: str) -> list[Reference]:
    """The entries of a .bib file whose fields stand one on a line."""
    entries = re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", bib, flags=re.MULTILINE | re.DOTALL)
    return [
        Reference(key, dict(re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},$", body, flags=re.MULTILINE)))
        for key, body in entries
    ]


def _reference(entry: Reference) -> str:
    fields = {name: _plain(value) for name, value in entry.fields.items()}
    where = next((fields[name] for name in ("journal", "booktitle", "howpublished") if name in fields), "")
    volume = f" {fields['volume']}" if "volume" in fields else ""
    pages = f", {fields['pages']}" if "pages" in fields else ""
    link = f" [arXiv {fields['eprint']}](https://arxiv.org/abs/{fields['eprint']})." if "eprint" in fields else ""
    place = f" *{where}*{volume}{pages}." if where else ""
    title = fields["title"] + ("" if fields["title"].endswith("?") else ".")
    who = f"{_authors(fields['author'])} ({fields['year']})."
    return f'- <a id="{entry.key}"></a>`@{entry.key}` {who} {title}{place}{link}'


def _authors(names: str) -> str:
    """Family names; four and more become the first and "et al."."""
    families = [name.split(",")[0] for name in names.split(" and ")]
    if len(families) > 3:  # noqa: PLR2004 (what fits)
        return f"{families[0]} et al."
    return " and ".join(filter(None, (", ".join(families[:-1]), families[-1])))


_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "u": "\u0306", "c": "\u0327"}


def _plain(tex: str) -> str:
    """TeX's accents, dashes and braces as plain characters."""
    tex = re.sub(
        r"\{\\([`'\"uc])\{?(\w)\}?\}", lambda m: m[2] + _ACCENTS[m[1]], tex.replace(r"{\l}", "ł").replace(r"{\o}", "ø")
    )
    tex = re.sub(r"`([^`']*)'s'", "‘\\1’s’", tex)
    return unicodedata.normalize("NFC", tex.replace("{", "").replace("}", "").replace("--", "–"))


def speed() -> str:
    """The page of what training and matching cost."""
    return runpy.run_path(str(DOCS / "speed.py"))["page"]()


def findings() -> str:
    """The page of what real activations say."""
    return runpy.run_path(str(DOCS / "findings.py"))["page"]()


def others() -> str:
    """The page of what other libraries' own seeds agree."""
    return runpy.run_path(str(DOCS / "others.py"))["page"]()


def zoo() -> str:
    """The page of all kinds of autoencoders."""
    return runpy.run_path(str(DOCS / "zoo.py"))["page"]()


def tradition() -> str:
    """The page of the classical learners, from what benchmarks/tradition.py found."""
    return runpy.run_path(str(DOCS / "tradition.py"))["page"]()


def scale() -> str:
    """The page of what grows with what."""
    return runpy.run_path(str(DOCS / "scale.py"))["page"]()


_GEOMETRY = """\
# The document of reseed geometry

<!-- Made by docs/pages.py from the models in src/reseed/geometry/document.py. Edit those. -->

What [`reseed geometry`](commands/geometry.md) says, as `--json` prints it and `reseed.geometry.measure` returns it. A
number that is not defined is `null`. Agreements and cosines are in [-1, 1], shares in [0, 1].

Version {version}.
"""


_COMPARISON = """\
# The document of reseed compare

<!-- Made by docs/pages.py from the models in src/reseed/comparison/document.py. Edit those. -->

What [`reseed compare`](commands/compare.md) says, as `--json` prints it and `reseed.compare` returns it. A number that
is not defined is `null`. Agreements and cosines are in [-1, 1], shares in [0, 1].

Version {version}.
"""


_FEATURES = """\
# The document of reseed features

<!-- Made by docs/pages.py from the models in src/reseed/reappearance/. Edit those. -->

What [`reseed features`](commands/features.md) says, as `--json` prints it. A number that is not defined is `null`.
Cosines and correlations are in [-1, 1], shares in [0, 1].

Version {version}.

## A row

One for every atom of every independent run: in `rows` here, in `features.parquet`, and in the data frame of
`reseed.features`. CSV has columns of their own for each other run, such as `cosine[seed1]`, in place of `partners`.

{rows}
"""


_PASSPORT = """\
# The document of reseed passport

<!-- Made by docs/pages.py from the models in src/reseed/reappearance/. Edit those. -->

What [`reseed passport`](commands/passport.md) writes as `passport.json`, and [`reseed verify`](commands/verify.md)
checks. A number that is not defined is `null`. Cosines and correlations are in [-1, 1], shares in [0, 1].

Version {version}.
"""


_VERIFIED = """\
# The document of reseed verify

<!-- Made by docs/pages.py from the models in src/reseed/claims/document.py. Edit those. -->

What [`reseed verify`](commands/verify.md) says, as `--json` prints it and `reseed.verify` returns it.

Version {version}.
"""


_ENTRIES = """\
# Methods, starts, measures, floors, readers, writers

<!-- Made by docs/pages.py from the six tables. Edit their entries in src/reseed/. -->

What comes in kinds is a table: one file per entry, one line in the table, and everything that lists entries (the
command line, the checks of a `study.toml`, columns of tables, figures, reports, this page) reads it from there. An
entry of your own can be added from outside, for the time of a process:

```python
import reseed
from reseed.measures import Measure

reseed.MEASURES["median"] = Measure(
    name="median",
    title="median cosine",
    meaning="the median cosine of the matched pairs",
    low=-1.0,
    high=1.0,
    prepare=lambda dictionary: None,
    compare=lambda matchings, a, b: matchings.now.cosines.median().item(),
    untrained=True,
)
```

From then on it is measured for every pair of runs, has floors and intervals, and stands in reports and tables.
`tests/test_open_doors.py` does this for each of the six. [How to add a method](add-a-method.md) goes into that one.

"""


def entries() -> str:
    """The six tables."""
    methods = [(kind, method.title, _first_sentence(method)) for kind, method in METHODS.items()]
    starts = [(each.name, each.title, _told(each.meaning)) for each in STARTS.values()]
    measures = [
        (each.name, each.title, _told(each.meaning), f"{each.low:g} to {each.high:g}", ", ".join(each.needs), each.role)
        for each in MEASURES.values()
    ]
    floors = [(each.name, each.title, _told(each.meaning), _told(each.policy), each.role) for each in FLOORS.values()]
    readers = [(each.name, each.title, _told(each.meaning)) for each in READERS.values()]
    writers = [(each.name, each.title, _told(each.meaning)) for each in WRITERS.values()]
    return _ENTRIES + "\n".join(
        [
            _entries("Methods", "`reseed.METHODS`, in `src/reseed/methods/`.", ("name", "title", ""), methods),
            _entries("Starts", "`reseed.STARTS`, in `src/reseed/starts/`.", ("name", "title", ""), starts),
            _entries(
                "Measures",
                "`reseed.MEASURES`, in `src/reseed/measures/`. *agreement* is what verdicts are about, a "
                "*companion* stands beside it with floors of its own, a *mechanism* says how the agreement came about.",
                ("name", "title", "", "range", "needs, besides atoms and their matching", "role"),
                measures,
            ),
            _entries(
                "Floors",
                "`reseed.FLOORS`, in `src/reseed/floors/`. A *null* is what there would be without any "
                "structure, the *origin* the same runs at step 0, a *reference* what another learner, or untrained "
                "atoms of the same tokens, agree.",
                ("name", "title", "what it answers", "how it is made", "role"),
                floors,
            ),
            _entries("Readers", "`reseed.READERS`, in `src/reseed/interop/`.", ("format", "title", "reads"), readers),
            _entries("Writers", "`reseed.WRITERS`, in `src/reseed/interop/`.", ("format", "title", "writes"), writers),
        ]
    )


def _entries(heading: str, lead: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = [f"## {heading}\n", f"{lead}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *(f"| `{name}` | {' | '.join(rest)} |" for name, *rest in rows), ""])


def _first_sentence(method: type[Method]) -> str:
    return (method.__doc__ or "").split(". ")[0].splitlines()[0].rstrip(".") + "."


def _told(words: str) -> str:
    named = "_" in words.split(maxsplit=1)[0]  # such as n_atoms, which stays as it is
    return f"{words if named else words[0].upper() + words[1:]}."


_DEFINITIONS = """\
# Published definitions of agreement

<!-- Made by docs/pages.py from the table in src/reseed/comparison/definitions.py. Edit its entries. -->

"The dictionaries agree" has been published under many names, and under some names twice. Signed or absolute cosines,
one partner for each atom or the best for each, a mean or a share, dead atoms or none: each choice changes the number,
so that two numbers from two papers say little about each other.

## Every published definition at once

`reseed.comparison.definitions` computes all of them on the same dictionaries, each by the rules of its authors' code.

{table}

**A mean is no share, and neither is a sum.** Of two dictionaries that have 84 of 128 atoms in common the shares say
.66, and the means more, since atoms that have nothing in common still find partners. A low cosine of .3 may be
chance in few dimensions and far beyond it in many. So each value stands beside its own null.

**The null** is the very same definition on dictionaries without structure: Gaussian atoms with the mean and the
covariance of each dictionary's own atoms at length 1. For the definition that looks at encoders an atom and its
encoder's row are drawn together, because what ties them is there without any agreement; drawn apart, the null would be
too easy. Zero atoms stay zero. For the definition that looks at living atoms only, the moments are theirs. The null
lies a little below what noise of one law would give, since each dictionary's moments are those of its own atoms: by
.002 of agreement at 512 atoms of 128 dimensions, by .02 at 200 of 10. Where dictionaries of the same recipe are at
hand that were trained on structureless rows (see [`reseed surrogate`](../commands/surrogate.md)), the definition on
those is the *surrogate* value beside it.

How the authors' rules are kept:

- Of several dictionaries a value is the mean over all pairs. *Feature stability* is then what it was defined as: the
  share of the other runs in which an atom reappears, averaged over atoms.
- **Zero atoms** have cosine 0 and are counted, as in the code of PW-MCC, SAELens, HUSAI and Paulo & Belrose.
  overcomplete raises an error, and so has no value here. What MMCS and feature stability make of them is not known;
  here they count alike.
- MCC is absolute: SAELens names PW-MCC as its source, whose code is signed. An atom and its negative are one feature to
  the one and two to the other.
- With **unequal sizes** everything matched one to one is over the smaller dictionary; overcomplete takes none.
- The same partner in decoder and encoder is asked for by *shared latents* only. The companion measure
  [`shared`](measures.md#companion-measures) takes the decoders' partners for both, and can be larger.
- MMCS was made for known atoms, one way: the best learnt atom for each. Of two runs none is the truth, and both ways
  count.
- PWMCC is not PW-MCC: the one is absolute and lets several atoms choose the same partner, the other neither.
- What is missing is said: without an encoder, or without knowing which atoms are alive, a definition has no value and a
  `reason`.

```python
import torch

import reseed

common = torch.randn(84, 64)
first, second = (torch.cat([common, torch.randn(44, 64)]) for _ in range(2))
found = reseed.compare(first, second, definitions=True)  # reseed compare A B --definitions
for each in found.published[0].definitions:
    print(f"{{each.name:16}} {{each.value:6.2f}} {{each.null:6.2f}} {{each.reason}}")
```
"""


def definitions() -> str:
    """The page of published definitions."""
    rows = [
        f"| `{each.name}` | {each.title} | {_told(each.meaning)} | {each.summary} | "
        f"[`@{each.source}`](../references.md#{each.source}) |"
        for each in DEFINITIONS.values()
    ]
    table = "\n".join(["| name | published as |  | summary | by |", "|---|---|---|---|---|", *rows])
    return _DEFINITIONS.format(table=table)


def geometry_json() -> str:
    """The page of the document that `reseed geometry --json` prints."""
    return "\n".join([_GEOMETRY.format(version=GEOMETRY_VERSION), *tables(Geometry)])


def comparison_json() -> str:
    """The page of the document that `reseed compare --json` prints."""
    return "\n".join([_COMPARISON.format(version=COMPARISON_VERSION), *tables(DictionaryComparison)])


def features_json() -> str:
    """The page of the document that `reseed features --json` prints, and of its rows."""
    columns = [f"| `{name}` | {_told(meaning)} |" for name, (_, meaning) in COLUMNS.items()]
    partner = [f"| `{name}` | {_told(meaning)} |" for name, (_, meaning) in PARTNER.items()]
    head = ["| column | |", "|---|---|"]
    rows = "\n".join([*head, *columns, "", "Of each partner:", "", *head, *partner, ""])
    return "\n".join([_FEATURES.format(version=FEATURES_VERSION, rows=rows), *tables(Features)])


def passport_json() -> str:
    """The page of the document that `reseed passport` writes."""
    return "\n".join([_PASSPORT.format(version=PASSPORT_VERSION), *tables(Passport)])


def verified_json() -> str:
    """The page of the document that `reseed verify --json` prints."""
    return "\n".join([_VERIFIED.format(version=VERIFIED_VERSION), *tables(Verified)])


def trust() -> str:
    """The page of how far a verdict can be trusted."""
    return runpy.run_path(str(DOCS / "trust.py"))["page"]()


def features_planted() -> str:
    """The page of features whose truth is planted."""
    return runpy.run_path(str(DOCS / "features_planted.py"))["page"]()


PAGES = {
    "entries.md": entries,
    "study-toml.md": study_toml,
    "references.md": references,
    "speed.md": speed,
    "scale.md": scale,
    "zoo.md": zoo,
    "tradition.md": tradition,
    "findings.md": findings,
    "others.md": others,
    "geometry-json.md": geometry_json,
    "comparison-json.md": comparison_json,
    "features-json.md": features_json,
    "passport-json.md": passport_json,
    "verified-json.md": verified_json,
    "concepts/trust.md": trust,
    "concepts/features.md": features_planted,
    "concepts/definitions.md": definitions,
}
"""The pages and what makes them."""

if __name__ == "__main__":
    for name, make in PAGES.items():
        write_text(DOCS / name, make())
