"""What a study found, as a person reads it: one renderer per file.

Nothing is computed here: every number that a renderer shows is in the `Findings` it was given.
"""
