"""Mistakes on the command line: every command with wrong arguments, in the place of right ones."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import numpy as np
import typer
from _documents import made
from _trying import Mistake

from reseed.cli import app, main
from reseed.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["commands"]

os.environ["HF_HUB_OFFLINE"] = "1"  # a name of a model that is nowhere is not asked for on the hub

RIGHT = {
    "demo": ["--out", "out"],
    "collect": ["nothing", "--layer", "1", "--text", "text.txt", "--tokens", "9", "--out", "out"],
    "surrogate": ["acts.npy", "--out", "out", "--quiet"],
    "geometry": ["acts.npy", "--atoms", "4", "--draws", "2", "--tokens", "50", "--preprocess", "none", "--quiet"],
    "compare": ["acts.npy", "other.npy", "--quiet"],
    "features": ["acts.npy", "other.npy", "--quiet"],
    "passport": ["acts.npy", "other.npy", "--out", "out", "--quiet"],
    "verify": ["study/findings.json", "--quiet"],
    "init": ["new.toml"],
    "tune": ["study.toml", "--quiet"],
    "run": ["study.toml", "--out", "out", "--quiet"],
    "report": ["study"],
    "export": ["acts.npy", "--format", "saelens", "--out", "out"],
    "reproduce": ["ablating-archetypes", "--out", "out"],
    "selfcheck": ["--only", "answers"],
}
"""A right call of each command; where it would take minutes, none of the mistakes below lets it begin."""

WORDS = ("", "many", "-1", "0", "nan", "inf", "1e3", "2.5", "9" * 30, "a,b", "/", "x" * 300)
PLACES = (".", "acts.npy", "store", "study", "study.toml", "study/findings.json", "acts.npy/below", "empty", "nothing")
RUNS = {("tune", "--rates", rate) for rate in ("1e3", "2.5", "9" * 30)}
"""What is right, and would train."""
PATHS = {"--out", "--html", "--write", "--text", "--csv", "--parquet", "--consensus", "--features", "--resume"}
ALLOWED = {
    ("report", "study"),
    ("report", "study/findings.json"),
    ("geometry", "acts.npy"),
    ("geometry", "store"),
    ("features", "study"),
    ("init", "nothing"),
}


def commands(folder: Path) -> Iterator[Mistake]:
    """Misspelled, too many, too few, and every option with nonsense."""
    made(folder)
    np.save(folder / "other.npy", np.random.default_rng(1).normal(size=np.load(folder / "acts.npy").shape))
    np.save(folder / "constant.npy", np.ones((60, 4), np.float32))
    (folder / "text.txt").write_text("Some words.\n", encoding="utf-8")
    (folder / "empty").mkdir(exist_ok=True)
    for words in (["runn"], ["--quiet"], ["report", "--help", "me", "--no"], ["-x"], ["run", "--"], ["selfcheck", "x"]):
        yield _typed(folder, words, allowed="--help" in words)
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined] (a group has commands)
    for name, command in known.items():
        right = RIGHT[name]
        yield _typed(folder, [name, *right, "one", "more"])
        yield _typed(folder, [name, *right, "--surprise"])
        if name in {"run", "report", "tune", "collect", "surrogate", "reproduce"}:
            yield _typed(folder, [name])
        for option in (each for each in command.params if each.opts[0].startswith("--")):
            yield from _of_option(folder, name, option)
        if name in {"run", "report", "tune", "geometry", "init"}:
            for place in PLACES:
                allowed = (name, place) in ALLOWED or (name == "init" and place == "acts.npy/below")
                rest = [] if name in {"init", "report"} else right[1:]
                if (name, place) not in {("run", "study.toml"), ("tune", "study.toml")}:
                    yield _typed(folder, [name, place, *rest], allowed=(name, place) in ALLOWED and allowed)


def _of_option(folder: Path, name: str, option: object) -> Iterator[Mistake]:
    word: str = option.opts[0]
    if option.is_flag or word == "--help":
        yield _typed(folder, [name, f"{word}=many", *RIGHT[name]])
        return
    if word in PATHS:
        for place in ("acts.npy/below", *((".", "study") if word in {"--html", "--write"} else ())):
            if name in {"report", "run", "tune"} and not (name == "tune" and word == "--write"):
                yield _typed(folder, [name, *RIGHT[name], word, place])
        return
    if word in {"--activations", "--licence", "--name"}:
        return  # any text is right
    for value in (each for each in WORDS if (name, word, each) not in RUNS):
        yield _typed(folder, [name, *_without(RIGHT[name], word), word, value], allowed=_fits(name, word, value))


def _fits(name: str, word: str, value: str) -> bool:
    """Whether a value is none of the nonsense for this option."""
    return (name, word, value) in {
        ("report", "--require", ""),
        ("collect", "--layer", "0"),
        ("surrogate", "--realisation", "0"),
        *(
            (command, option, number)
            for command in ("features", "passport")
            for option in ("--cosine", "--code")
            for number in ("-1", "0")
        ),
        *(("features", option, "0") for option in ("--atom", "--top")),
        ("features", "--top", "9" * 30),
    }


def _without(arguments: list[str], option: str) -> list[str]:
    if option not in arguments:
        return arguments
    place = arguments.index(option)
    return arguments[:place] + arguments[place + 2 :]


def _typed(folder: Path, words: list[str], *, allowed: bool = False) -> Mistake:
    """The command line as the shell would start it, in this process: an exit code and what stands on stderr."""

    def attempt() -> str:
        before = _listing(folder)
        out, err = io.StringIO(), io.StringIO()
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            try:
                main(words)
            except SystemExit as ended:
                code = ended.code
        told = err.getvalue()
        if code == 0:
            return out.getvalue()[:80]
        if code != 1 or len(told.splitlines()) != 1 or not told.startswith("reseed: ") or _listing(folder) != before:
            raise RuntimeError(f"exit code {code}, files {sorted(_listing(folder) - before)}: {told}")
        raise SpecError(told)

    return Mistake("commands", f"reseed {' '.join(word[:40] or repr('') for word in words)}", attempt, allowed=allowed)


def _listing(folder: Path) -> set[str]:
    """What lies in the folder: a mistake leaves nothing behind."""
    return {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if "spoilt" not in at}  # noqa: PTH118 (walked by os)
