"""Runs trained side by side: the loop, the stack of runs, their batches, what is written down about them."""

from reseed.training.loop import Interrupted, Room, train

__all__ = ["Interrupted", "Room", "train"]
