"""Dictionaries held side by side, by what others have published as their agreement."""
