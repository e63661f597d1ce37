"""reseed: whether independently trained dictionaries agree, came to agree, or were born agreeing.

The public names are loaded when they are first used: `import reseed` costs neither torch nor plotly.
"""

from __future__ import annotations

from importlib import import_module

from reseed._support.version import VERSION
from reseed.errors import (
    ActivationsError,
    DictionaryError,
    MemoryShortError,
    MissingExtraError,
    ReseedError,
    SpecError,
    TrajectoryError,
)

TYPE_CHECKING = False  # importing typing takes as long as all the rest, and signals are heard only after it
if TYPE_CHECKING:
    from reseed import floors, geometry, measures, statistics
    from reseed.activations import (
        Activations,
        collect,
        open_activations,
        preprocessed,
        read_texts,
        surrogate,
        write_surrogate,
    )
    from reseed.claims import passport, verify
    from reseed.comparison import compare
    from reseed.findings import Findings
    from reseed.floors import FLOORS
    from reseed.interop import READERS, WRITERS, Recorder, read_dictionary, write_dictionary
    from reseed.matching import Matching, match
    from reseed.measures import MEASURES
    from reseed.methods import METHODS
    from reseed.pipeline.plan import Plan, plan
    from reseed.pipeline.rejudge import rejudge
    from reseed.pipeline.run import run
    from reseed.pipeline.until import run_until_settled
    from reseed.reappearance import features
    from reseed.report.figures import figure
    from reseed.report.html import write_report
    from reseed.report.pictures import write_figure
    from reseed.report.table import table
    from reseed.spec import Arm, Dice, Study, Training
    from reseed.starts import STARTS, Start
    from reseed.statistics import birth_test
    from reseed.training import Interrupted
    from reseed.verdict import Outcome

__version__ = VERSION

_HOMES = {
    "Activations": "reseed.activations",
    "Arm": "reseed.spec",
    "Dice": "reseed.spec",
    "FLOORS": "reseed.floors",
    "Findings": "reseed.findings",
    "Interrupted": "reseed.training",
    "MEASURES": "reseed.measures",
    "METHODS": "reseed.methods",
    "Matching": "reseed.matching",
    "Outcome": "reseed.verdict",
    "Plan": "reseed.pipeline.plan",
    "READERS": "reseed.interop",
    "Recorder": "reseed.interop",
    "STARTS": "reseed.starts",
    "Start": "reseed.starts",
    "Study": "reseed.spec",
    "Training": "reseed.spec",
    "WRITERS": "reseed.interop",
    "birth_test": "reseed.statistics",
    "collect": "reseed.activations",
    "compare": "reseed.comparison",
    "features": "reseed.reappearance",
    "figure": "reseed.report.figures",
    "floors": "reseed",
    "geometry": "reseed",
    "match": "reseed.matching",
    "measures": "reseed",
    "open_activations": "reseed.activations",
    "passport": "reseed.claims",
    "plan": "reseed.pipeline.plan",
    "read_dictionary": "reseed.interop",
    "read_texts": "reseed.activations",
    "rejudge": "reseed.pipeline.rejudge",
    "run": "reseed.pipeline.run",
    "run_until_settled": "reseed.pipeline.until",
    "statistics": "reseed",
    "surrogate": "reseed.activations",
    "table": "reseed.report.table",
    "verify": "reseed.claims",
    "preprocessed": "reseed.activations",
    "write_dictionary": "reseed.interop",
    "write_figure": "reseed.report.pictures",
    "write_report": "reseed.report.html",
    "write_surrogate": "reseed.activations",
}
"""Where each lazy name is from; the modules among them are from the package itself."""

__all__ = [
    "FLOORS",
    "MEASURES",
    "METHODS",
    "READERS",
    "STARTS",
    "WRITERS",
    "Activations",
    "ActivationsError",
    "Arm",
    "Dice",
    "DictionaryError",
    "Findings",
    "Interrupted",
    "Matching",
    "MemoryShortError",
    "MissingExtraError",
    "Outcome",
    "Plan",
    "Recorder",
    "ReseedError",
    "SpecError",
    "Start",
    "Study",
    "Training",
    "TrajectoryError",
    "__version__",
    "birth_test",
    "collect",
    "compare",
    "features",
    "figure",
    "floors",
    "geometry",
    "match",
    "measures",
    "open_activations",
    "passport",
    "plan",
    "preprocessed",
    "read_dictionary",
    "read_texts",
    "rejudge",
    "run",
    "run_until_settled",
    "statistics",
    "surrogate",
    "table",
    "verify",
    "write_dictionary",
    "write_figure",
    "write_report",
    "write_surrogate",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'reseed' has no attribute {name!r}; it has {', '.join(__all__)}")
    return import_module(f"reseed.{name}") if home == "reseed" else getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
