"""The version of reseed, where everything may read it."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
