r"""Text that says on a screen what is in it: what would move, hide or disguise what is printed is made visible.

Names, titles, reasons and paths are other people's text. Whatever of it is printed passes here first: what the
command line says (`reseed.cli`), the titles of progress bars, and every renderer of a document (`visible_document`).
A control character becomes its escape (`\x1b`), any other that shows nothing its code point (`<U+202E>`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["rewritten", "visible", "visible_document", "visible_json", "visible_lines"]

T = TypeVar("T")

# Letters and marks that show nothing: the grapheme joiner, fillers, a blank, selectors of variants. Not U+FE0F and
# U+FE0E, which choose between a picture and a sign
_FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0100-\U000e01ef]")
_ONE_BYTE = 0x100
_FROM_BYTES = range(0xDC80, 0xDD00)  # how Python reads what is no UTF-8 in a path: the byte, and 0xDC00
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """`text` on one line, with everything in it visible: controls, separators of lines, text direction, zero widths."""
    if text.isprintable() and (text.isascii() or not _FILLERS.search(text)):
        return text
    return "".join(_said(each) if _shows_nothing(each) else each for each in text)


def visible_lines(text: str) -> str:
    """The same for text of several lines: line ends and tabs stay."""
    return re.sub(r"[^\n\t]+", lambda part: visible(part[0]), text)


def visible_json(text: str) -> str:
    r"""A JSON document with everything in its strings visible, as `\u` escapes: it says what it said."""
    return re.sub(r"[^\n\t\r -~]", lambda each: _escaped(each[0]) if _shows_nothing(each[0]) else each[0], text)


def visible_document(document: T) -> T:
    """A document with every string in it visible, names and keys included; itself where that changes nothing."""
    return rewritten(document, visible)


def rewritten(value: Any, say: Callable[[str], str]) -> Any:  # noqa: ANN401 (a document, or whatever is in one)
    """`value` with what `say` makes of every string in it, however deep; what does not change is shared."""
    if type(value) is str:  # an outcome, or another word of a fixed list, is a str of its own kind
        return say(value)
    if hasattr(value, "model_copy"):  # a model of pydantic, which the command line does without where it can
        changed = {name: new for name, old in value if (new := rewritten(old, say)) is not old}
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, dict):
        pairs = [(rewritten(key, say), rewritten(each, say)) for key, each in value.items()]
        same = all(a is c and b is d for (a, b), (c, d) in zip(pairs, value.items(), strict=True))
        return value if same else dict(pairs)
    if isinstance(value, (tuple, list)):
        new = [rewritten(each, say) for each in value]
        return value if all(a is b for a, b in zip(new, value, strict=True)) else type(value)(new)
    return value


def _shows_nothing(character: str) -> bool:
    if character.isprintable():
        return _FILLERS.match(character) is not None
    return unicodedata.category(character) != "Zs"  # spaces of other widths


def _said(character: str) -> str:
    code = ord(character)
    if code in _FROM_BYTES:
        code -= 0xDC00
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < _ONE_BYTE else f"<U+{code:04X}>")


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
