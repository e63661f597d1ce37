"""Dictionaries on the hub, out of a local cache in its layout; no test reaches the hub itself."""

import shutil
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from reseed.errors import DictionaryError, MissingExtraError
from reseed.geometry import measure
from reseed.interop import read

WRITTEN = Path(__file__).parent / "written"
REVISIONS = {"main": "a" * 40, "seed2": "b" * 40}
NAMES = {"main": "saelens-topk", "seed2": "dictionary-learning-topk"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    repository = tmp_path / "models--owner--name"
    for name, revision in REVISIONS.items():
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / name).write_text(revision)
        shutil.copytree(WRITTEN / NAMES[name], repository / "snapshots" / revision / "layer_2/sae")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return repository


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_folder_of_one_revision_is_read(cache, revision):
    found = read(f"hf://owner/name/layer_2/sae@{revision}")
    assert found.name == f"hf://owner/name/layer_2/sae@{revision}"
    assert found.source.startswith(str(cache / "snapshots" / REVISIONS[revision]))
    assert (found.atoms == read(WRITTEN / NAMES[revision]).atoms).all()


def test_the_main_revision_is_what_is_meant_and_a_repository_of_several_names_them():
    assert read("hf://owner/name/layer_2/sae").source == read("hf://owner/name/layer_2/sae@main").source
    with pytest.raises(DictionaryError, match=r"is no dictionary, but holds 1: give one of .*layer_2/sae"):
        read("hf://owner/name")
    pair = measure(
        dictionaries=(Path("hf://owner/name/layer_2/sae"), "hf://owner/name/layer_2/sae@seed2"), draws=2
    ).pair
    assert 0 < pair.agreement < 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("hf://owner", "is no place on the hub: write hf://owner/name/path@revision"),
        ("hf://owner/name/../../x", "is no place on the hub"),
        ("hf://owner/name/layer_3@main", "layer_3"),
        ("hf://owner/other/layer_2", "can be had neither from the cache nor from the hub"),
        ("hf://owner/name/layer_2/sae@none", "can be had neither from the cache nor from the hub"),
    ],
)
def test_what_is_not_there_is_told(place, said):
    with pytest.raises(DictionaryError, match=said):
        read(place)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'reseed\[hub\]'"):
        read("hf://owner/name/layer_2/sae")
