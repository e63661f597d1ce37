"""Sparse encode and decode with exact gradients.

`sparse` runs on every device that torch knows; `reference` is the dense formula that it is tested against.
"""

from reseed.kernels._codes import Codes
from reseed.kernels.reference import densify
from reseed.kernels.sparse import code_gradients, decode, encode_topk, row_gradients

__all__ = ["Codes", "code_gradients", "decode", "densify", "encode_topk", "row_gradients"]
