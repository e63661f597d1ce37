"""The table of readers, and the one call that picks among them."""

from reseed._support.guard import guarded
from reseed.errors import DictionaryError
from reseed.interop._base import LoadedDictionary, Reader, Source
from reseed.interop.matrix import MATRIX

__all__ = ["READERS", "read"]

READERS: dict[str, Reader] = {reader.name: reader for reader in (MATRIX,)}
"""By name, in the order of tables."""


@guarded(numbers="any")
def read(
    source: Source,
    *,
    format: str | None = None,  # noqa: A002 (the word of the command line)
    tensor: str | None = None,
    transpose: bool = False,
) -> LoadedDictionary:
    """A dictionary from a file, a folder or a tensor, by the one reader that recognises it.

    Args:
        source: where it is.
        format: a name of `READERS`, for a source that several recognise.
        tensor: the name of the tensor to read, where a file holds several.
        transpose: whether the columns of that tensor are the atoms.

    Raises:
        DictionaryError: no reader or several recognise the source, it is damaged, or there is no such format.
    """
    if format is not None and format not in READERS:
        raise DictionaryError(f"format {format!r} is unknown: choose from {', '.join(READERS)}")
    fitting = [reader for reader in READERS.values() if format in (None, reader.name) and reader.recognises(source)]
    if len(fitting) > 1:
        named = ", ".join(reader.name for reader in fitting)
        raise DictionaryError(f"{source} may be in several formats ({named}): say which")
    if not fitting:
        asked = [READERS[format]] if format else READERS.values()
        raise DictionaryError(f"{source} holds no dictionary: give {'; or '.join(reader.meaning for reader in asked)}")
    asked = {"tensor": tensor, "transpose": transpose} if tensor is not None or transpose else {}
    if asked and not fitting[0].asks:
        raise DictionaryError(
            f"{source} is read as {fitting[0].name}, which has one layout: leave out tensor and transpose"
        )
    return fitting[0].read(source, **asked)
