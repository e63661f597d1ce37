"""The command line: each command is parse, one library call, render.

stdout is data, stderr is talk. Exit codes: 0 fine, 1 error, 2 a verdict below what was required or a document that does
not hold, 130, 143 or 129 stopped by Ctrl-C, SIGTERM or SIGHUP (and saved). Heavy libraries are imported by the commands
that need them, so that `reseed --help` answers at once.
"""

from reseed.cli.running import app, main

__all__ = ["app", "main"]
