"""A number that may be undefined, with the reason when it is."""

from dataclasses import dataclass

__all__ = ["Reading"]


@dataclass(frozen=True)
class Reading:
    """A value, or nan with the reason why there is none."""

    value: float
    reason: str = ""
    """Empty exactly when the value is defined."""

    @classmethod
    def undefined(cls, reason: str) -> "Reading":
        """The reading nan, because of `reason`."""
        return cls(float("nan"), reason)
