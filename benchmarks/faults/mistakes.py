"""Mistakes that people make, hundreds of them: each has to end in one clear sentence.

python benchmarks/faults/mistakes.py            all of them, in about a minute
python benchmarks/faults/mistakes.py --every 7  one in seven, for tests
python benchmarks/faults/mistakes.py --say      with what was told

A line for each kind: how many were tried, how many were told, how many are no mistakes after all and were accepted
(listed beside the mistakes), how many ended in a traceback, and how many were accepted in silence. Exits with 1 if
there is any of the last two.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

from _commands import commands
from _documents import documents
from _functions import functions
from _settings import settings
from _trying import outcome_of

OUTCOMES = ("told", "allowed", "traceback", "silent")


def main() -> None:
    """Try them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="try one in so many")
    parser.add_argument("--say", action="store_true", help="print what was told")
    asked = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for make in (settings, functions, documents, commands):
            for mistake in islice(make(Path(folder)), 0, None, asked.every):
                outcome, sentence = outcome_of(mistake)
                counts.setdefault(mistake.kind, Counter())[outcome] += 1
                if asked.say or outcome in {"traceback", "silent"}:
                    print(f"{outcome:9} {mistake.name}: {sentence}")
    print(f"{'kind':12} {'tried':>7} " + " ".join(f"{outcome:>9}" for outcome in OUTCOMES))
    for kind, found in counts.items():
        print(f"{kind:12} {found.total():>7} " + " ".join(f"{found[outcome]:>9}" for outcome in OUTCOMES))
    whole = sum(counts.values(), Counter())
    print(f"{'all':12} {whole.total():>7} " + " ".join(f"{whole[outcome]:>9}" for outcome in OUTCOMES))
    sys.exit(1 if whole["traceback"] or whole["silent"] else 0)


if __name__ == "__main__":
    main()
