"""Runs trained side by side: the loop, the stack of runs, their batches, what is written down about them."""

from reseed.training.loop import Context, Interrupted, Seen, train

__all__ = ["Context", "Interrupted", "Seen", "train"]
