"""Modules of installed peers, without the packages that they import for other purposes."""

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

VERSIONS = {"overcomplete": "0.3.0", "dictionary_learning": "0.1.0"}
UNUSED = {"PIL", "cv2", "matplotlib", "nnsight", "skimage", "sklearn", "timm", "torchvision", "tqdm", "zstandard"}


class _Empty(ModuleType):
    """A package that a peer imports for other purposes; whatever is taken from it is a bare class."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return object


class _Absent(MetaPathFinder, Loader):
    """Finds the unused packages where they are not installed."""

    def find_spec(self, fullname, path=None, target=None):
        del path, target
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in UNUSED else None

    def create_module(self, spec):
        return _Empty(spec.name)

    def exec_module(self, module):
        """There is nothing to run."""


@contextmanager
def installed(name: str) -> Iterator[ModuleType]:
    """A peer's module, by its full name."""
    peer = name.partition(".")[0]
    assert version(peer) == VERSIONS[peer]
    before = set(sys.modules)
    finder = _Absent()
    sys.meta_path.append(finder)  # last: what is installed is used
    # Their __init__s also load vision models, plots and language models, which nothing here needs.
    package = ModuleType(peer)
    package.__path__ = list(find_spec(peer).submodule_search_locations)
    sys.modules[peer] = package
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        for module in set(sys.modules) - before:
            if module.partition(".")[0] in UNUSED | {peer}:
                del sys.modules[module]
