"""What a file is, by its first bytes and not by its name: for people who gave one kind for another."""

from typing import NamedTuple

__all__ = ["LFS_POINTER", "FileKind", "kind_of"]


class FileKind(NamedTuple):
    """A kind of file that was not meant, and what to do about it."""

    name: str
    remedy: str


LFS_POINTER = FileKind(
    "a Git LFS pointer, which stands for a file that was not downloaded",
    "run  git lfs pull  where it came from, or download the file itself",
)

_UNPACK = "unpack it first"
_TABLE = 'write the documents into a .jsonl file, one per line, under "text"'
_UTF_16 = FileKind("text in UTF-16", "convert it:  iconv -f utf-16 -t utf-8")
_UTF_32 = FileKind("text in UTF-32", "convert it:  iconv -f utf-32 -t utf-8")
_WEIGHTS = "give texts under --text and the model as MODEL"
_KINDS = {
    b"version https://git-lfs.github.com/spec/": LFS_POINTER,
    b"\x1f\x8b": FileKind("a gzip archive", _UNPACK),
    b"\x28\xb5\x2f\xfd": FileKind("a zstandard archive", _UNPACK),
    b"\xfd7zXZ\0": FileKind("an xz archive", _UNPACK),
    b"BZh": FileKind("a bzip2 archive", _UNPACK),
    b"PK\3\4": FileKind("a zip archive (or a document or a .pt file, which are made so)", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": FileKind("a 7z archive", _UNPACK),
    b"PAR1": FileKind("a Parquet table", _TABLE),
    b"ARROW1": FileKind("an Arrow table", _TABLE),
    b"\xff\xff\xff\xff": FileKind("an Arrow stream", _TABLE),
    b"SQLite format 3": FileKind("an SQLite database", _TABLE),
    b"%PDF-": FileKind("a PDF", "extract its text first"),
    b"GGUF": FileKind("a GGUF model", _WEIGHTS),
    b"\x93NUMPY": FileKind(
        "a NumPy array", "activations that exist already need no collecting: give them to reseed run"
    ),
    b"\xff\xfe\0\0": _UTF_32,
    b"\0\0\xfe\xff": _UTF_32,
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
}


def kind_of(content: bytes) -> FileKind | None:
    """The kind of a file that begins with `content`; None where none is known."""
    return next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
