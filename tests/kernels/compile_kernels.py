"""Compile the GPU's kernels to machine code for one kind of GPU, which need not be there."""

from itertools import product

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from reseed.kernels import _triton

H200 = GPUTarget("cuda", 90, 32)
TYPES = {
    "*fp32": "products bias values dictionary x x_hat residual gradients weights rows sums totals atoms across",
    "*i32": "tops groups bounds",
    "*i64": "indices begins ends tokens owners",
    "i32": "n_atoms n_groups k batch d_model n_columns n_rows n_further",
    "fp32": "factor penalty",
}
TYPE_OF = {name: kind for kind, names in TYPES.items() for name in names.split()}
TILES = {
    "select": {"ATOMS": 16384},
    "group_tops": {"GROUPS": 128, "WIDTH": 16},
    "select_groups": {"GROUPS": 1024},
    "select_among": {"ATOMS": 1024, "WIDTH": 16},
    "decode": {"PLACES": 64, "COLUMNS": 64},
    "leave_residual": {"PLACES": 64, "COLUMNS": 64},
    "sum_segments": {"PLACES": 8, "COLUMNS": 512},
    "join_segments": {"COLUMNS": 512},
    "normalise": {"COLUMNS": 1024},
    "without_parallel": {"COLUMNS": 1024},
}

for name, sizes_of_one in product(_triton.__all__, (False, True)):  # Triton takes a size of 1 as a constant
    kernel = getattr(_triton, name)
    signature = {each: TYPE_OF.get(each, "constexpr") for each in kernel.arg_names}
    ones = {each: 1 for each, kind in signature.items() if kind == "i32" and sizes_of_one}
    source = ASTSource(fn=kernel, signature=signature | dict.fromkeys(ones, "constexpr"), constexprs=TILES[name] | ones)
    compiled = triton.compile(source, target=H200, options={"num_warps": 8, "enable_fp_fusion": True})
    assert compiled.asm["cubin"]
