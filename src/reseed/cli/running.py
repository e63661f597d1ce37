"""The command line as a whole: its commands in the order of its help, and what every error of theirs ends in."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

import reseed
from reseed._support import stopping
from reseed._support.machine import lacks_memory
from reseed._support.system_errors import told
from reseed.cli.activations import collect, geometry, surrogate
from reseed.cli.dictionaries import compare, export, features, passport, verify
from reseed.cli.examples import demo, reproduce, selfcheck
from reseed.cli.output import say, warnings_told
from reseed.cli.studies import init, report, run, tune
from reseed.errors import MemoryShortError, ReseedError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Do independently trained dictionaries agree, did they come to agree, or were they born agreeing?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_COMMANDS = (
    demo,
    collect,
    surrogate,
    geometry,
    compare,
    features,
    passport,
    verify,
    init,
    tune,
    run,
    report,
    export,
    reproduce,
    selfcheck,
)
for _command in _COMMANDS:
    app.command()(_command)

# typer brings a click of its own from some version on: the base of its errors is reached through typer
_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


_INTERRUPTED = 130
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _version(asked: bool) -> bool:  # noqa: FBT001 (a callback of typer)
    if asked:
        say(f"reseed {reseed.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,  # noqa: FBT002 (typer's flag)
) -> None:
    del version


def _system_error(error: OSError) -> str:
    if error.errno in _DISK_IS_FULL:
        return f"{error.strerror}: {error.filename}; make room, and the same command goes on from here"
    advice = "name a file" if error.errno == errno.EISDIR else "choose another place"
    return f"{error.filename or 'a file'} could not be read or written: {told(error)}; {advice}"


def _usage_error(error: Any) -> str:  # noqa: ANN401 (typer's own click, or another one)
    from reseed._support.mistakes import in_plain_words

    command = getattr(getattr(error, "ctx", None), "command_path", None) or "reseed"
    words = in_plain_words(" ".join(str(error.format_message()).split())).rstrip(".")
    return f"{words[:1].lower()}{words[1:]}; see  {command} --help"


@contextmanager
def _memory_told() -> Iterator[None]:
    """Memory that runs out where nobody says while what is an error of ours as well."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, ReseedError) or not lacks_memory(error):
            raise
        said = "not enough memory: use fewer atoms, draws or tokens, or a machine with more"
        raise MemoryShortError(said) from error


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit; every error of ours is one message and exit code 1."""
    if arguments is None:
        stopping.own()
    stopping.goes_on(True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a sign is told which it was
    try:
        with warnings_told(), _memory_told():
            code = app(arguments, prog_name="reseed", standalone_mode=False)
    except _ClickException as error:
        say(f"reseed: {_usage_error(error)}", err=True)
        code = 1
    except ReseedError as error:
        say(f"reseed: {error}", err=True)
        code = 1
    except OSError as error:
        if stopping.asked() is None:  # a terminal that is gone can no longer be written to
            say(f"reseed: {_system_error(error)}", err=True)
        code = 1
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED or stopping.asked():  # typer makes this code of Ctrl-C itself, without a word
        stopping.say()
        code = stopping.exit_code()
    sys.exit(code if isinstance(code, int) else 0)
