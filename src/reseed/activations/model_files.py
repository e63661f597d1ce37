"""The files of a language model, looked at before any library opens them: are they all there, and whole?"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from reseed._support.machine import lacks_memory
from reseed.activations.bundled import cache_folder
from reseed.activations.file_kinds import LFS_POINTER, kind_of
from reseed.errors import ActivationsError

__all__ = ["ModelFiles", "find_files"]

_ALLOWED = "give a model folder, a GGUF file, a name on the Hugging Face hub, smollm2 or minilm"
_COPY = "copy or download the model again"
_INDEX, _WEIGHTS, _CONFIG = "model.safetensors.index.json", "model.safetensors", "config.json"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_EXPORT = "convert it where you trust it:  AutoModel.from_pretrained(...).save_pretrained(FOLDER)"
_LARGEST_JSON = 1 << 28  # bytes; the largest vocabularies are a tenth of it
_HEAD = 64
_HUB_NAME = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*(?<!\.gguf)(?<!\.safetensors)")
_GGUF_MAGIC = b"GGUF"


@dataclass(frozen=True)
class ModelFiles:
    """Where transformers finds a model."""

    name: str
    """As the user gave it."""
    where: str
    """A folder, or a name on the hub."""
    gguf: str | None = None
    """The file in the folder, if it is a GGUF model."""
    n_tensors: int | None = None
    """Tensors in its weights, where they lie here as safetensors."""

    @property
    def advice(self) -> str:
        """What to do about a model that cannot be loaded."""
        if Path(self.where).is_relative_to(cache_folder()):
            return f"delete {self.where} and run the same again, which unpacks it once more"
        return _COPY if Path(self.where).is_dir() else _ALLOWED


def find_files(model: str) -> ModelFiles:
    """Where a model's files are; those on this machine are whole as far as their headers tell.

    Raises:
        ActivationsError: there is no such model, or a file of it is missing, cut short, pickled or of another kind.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        packed = [] if (path / _CONFIG).exists() else sorted(path.glob("*.gguf"))
        return _gguf_in_folder(model, path, packed) if packed else _folder(model, path)
    if path.is_file():
        return _file(model, path)
    if not _HUB_NAME.fullmatch(model):
        raise _refused(model or "''", "there is no such folder or file", _ALLOWED)
    return ModelFiles(model, model)


def _refused(model: object, reason: str, advice: str) -> ActivationsError:
    return ActivationsError(f"{model} cannot be loaded as a transformers model ({reason}): {advice}")


def _file(model: str, path: Path) -> ModelFiles:
    _check_downloaded(path)
    if path.suffix == ".gguf" or _head(path).startswith(_GGUF_MAGIC):
        if not _head(path).startswith(_GGUF_MAGIC):
            raise _refused(model, "it does not begin as a GGUF file does", _COPY)
        return ModelFiles(model, str(path.parent), path.name)
    raise _refused(
        model, "it is a single file and no GGUF file", "give the folder it lies in, with config and tokenizer"
    )


def _gguf_in_folder(model: str, folder: Path, packed: list[Path]) -> ModelFiles:
    if len(packed) > 1:
        names = ", ".join(path.name for path in packed)
        raise _refused(model, f"it holds {len(packed)} GGUF files: {names}", f"name one, such as {packed[0]}")
    return ModelFiles(model, str(folder), _file(model, packed[0]).gguf)


def _folder(model: str, folder: Path) -> ModelFiles:
    if any((folder / name).exists() for name in ("dataset_info.json", "dataset_dict.json")):
        advice = "give the model as MODEL, and the documents as a .jsonl file under --text"
        raise _refused(model, "it is a data set of the library datasets", advice)
    if not (folder / _CONFIG).exists():
        if (folder / "adapter_config.json").exists():
            raise _refused(model, "it is an adapter without its model", "merge it into its model and save that")
        raise _refused(model, f"it has no {_CONFIG}", _ALLOWED)
    config = _read_json(folder / _CONFIG)
    if not isinstance(config, dict):
        raise _refused(model, f"its {_CONFIG} is no JSON object", _COPY)
    for name in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "generation_config.json"):
        if (folder / name).exists():
            _check_downloaded(folder / name)
            if name.endswith(".json"):
                _read_json(folder / name)
    weights = _weights(model, folder)
    return ModelFiles(model, str(folder), n_tensors=sum(map(_count_tensors, weights)))


def _weights(model: str, folder: Path) -> list[Path]:
    """The safetensors files that hold a model's weights, every one of them there."""
    if (folder / _WEIGHTS).exists():
        return [folder / _WEIGHTS]
    if (folder / _INDEX).exists():
        index = _read_json(folder / _INDEX)
        names = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise _refused(model, f"its {_INDEX} has no weight_map of names", _COPY)
        files = [folder / name for name in sorted(set(names.values()))]
        missing = [file.name for file in files if not file.is_file() or file.parent != folder]
        if missing:
            raise _refused(
                model, f"{len(missing)} of its {len(files)} weight files are missing: {missing[0]} ...", _COPY
            )
        return files
    if any(next(folder.glob(pattern), None) for pattern in _PICKLED):
        raise _refused(model, "its weights are pickled, which can run any code and is never opened", _EXPORT)
    raise _refused(model, f"it has no {_WEIGHTS}", _COPY)


def _count_tensors(path: Path) -> int:
    """How many tensors a safetensors file holds; its header says how long the file must be."""
    _check_downloaded(path)
    try:
        with safe_open(path, framework="pt") as file:
            return len(file.keys())
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        size = path.stat().st_size if path.is_file() else 0
        if lacks_memory(error):
            raise ActivationsError(
                f"{path} has {size:,} bytes, which memory has no room for: use a smaller model or a larger machine"
            ) from error
        reason = f"it is damaged or cut short, {size:,} bytes: {str(error).rpartition(': ')[2]}"
        raise _refused(path, reason, _COPY) from error


def _read_json(path: Path) -> Any:  # noqa: ANN401 (whatever JSON holds)
    _check_downloaded(path)
    size = path.stat().st_size
    if size > _LARGEST_JSON:
        raise _refused(path, f"{size:,} bytes are too many for such a file", _COPY)
    try:
        return json.loads(path.read_bytes())
    except RecursionError as error:
        raise _refused(path, "it is nested too deeply", _COPY) from error
    except ValueError as error:
        raise _refused(path, f"it is damaged: {str(error).partition(';')[0]}", _COPY) from error


def _check_downloaded(path: Path) -> None:
    if path.is_file() and kind_of(_head(path)) is LFS_POINTER:
        raise _refused(path, f"it is {LFS_POINTER.name}", LFS_POINTER.remedy)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)
