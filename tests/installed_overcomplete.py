"""The installed overcomplete, without the packages that it imports for other purposes."""

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

UNUSED = {"PIL", "cv2", "matplotlib", "skimage", "sklearn", "timm", "torchvision", "tqdm"}


class _Empty(ModuleType):
    """A package that overcomplete imports for other purposes; whatever is taken from it is a bare class."""

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
def overcomplete_sae() -> Iterator[ModuleType]:
    """Its module of sparse autoencoders."""
    assert version("overcomplete") == "0.3.0"
    before = set(sys.modules)
    finder = _Absent()
    sys.meta_path.append(finder)  # last: what is installed is used
    # Its __init__ also loads vision models and plots, which nothing here needs.
    package = ModuleType("overcomplete")
    package.__path__ = list(find_spec("overcomplete").submodule_search_locations)
    sys.modules["overcomplete"] = package
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield importlib.import_module("overcomplete.sae")
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in UNUSED | {"overcomplete"}:
                del sys.modules[name]
