"""Matrix products by the fastest route of full precision that torch has on this machine.

In float32 on a CPU that is oneDNN instead of what is behind `@`: where there is AVX-512 two to three times as fast on
processors that are not Intel's (see `benchmarks/kernels.py`). Where products need not be exact, bfloat16 is twice as
fast again on a CPU that has instructions for it.
"""

import torch
from jaxtyping import Float, Int8, Int32
from torch import Tensor

__all__ = ["HAS_BFLOAT16", "HAS_INT8", "integer_row_products", "product", "rough_row_products", "row_products"]

_HAS_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
HAS_BFLOAT16 = _HAS_ONEDNN and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
"""Whether this processor multiplies bfloat16 faster than float32; sums are in float32."""
HAS_INT8 = HAS_BFLOAT16 and hasattr(torch, "_int_mm") and getattr(torch.cpu, "_is_vnni_supported", bool)()
"""Whether it multiplies integers of 8 bits twice as fast again."""
_BLOCK = 2**21  # entries that are made at a time for `out`: 8 MB, few enough to be made in the same memory again


def row_products(
    a: Float[Tensor, "a_rows columns"],
    b: Float[Tensor, "b_rows columns"],
    *,
    bias: Float[Tensor, " b_rows"] | None = None,
) -> Float[Tensor, "a_rows b_rows"]:
    """Every row of `a` times every row of `b`, plus `bias`."""
    if _through_onednn(a, b):
        return torch.ops.mkldnn._linear_pointwise(a, b, bias, "none", [], "")  # noqa: SLF001 (no public name yet)
    return a @ b.T if bias is None else torch.addmm(bias, a, b.T)


def rough_row_products(
    a: Float[Tensor, "a_rows columns"], b: Float[Tensor, "b_rows columns"], *, bias: Float[Tensor, " b_rows"]
) -> Float[Tensor, "a_rows b_rows"]:
    """The same with an error of about |a| |b| / 256, in bfloat16; in full, and exact, where that is not faster."""
    if HAS_BFLOAT16 and _through_onednn(a, b):
        a, b, bias = a.bfloat16(), b.bfloat16(), bias.bfloat16()
    return row_products(a, b, bias=bias)


def integer_row_products(
    a: Int8[Tensor, "a_rows columns"], b: Int8[Tensor, "b_rows columns"]
) -> Int32[Tensor, "a_rows b_rows"]:
    """Every row of `a` times every row of `b`, exactly; fast where there is `HAS_INT8`, for some hundred of `a`."""
    return torch._int_mm(a, b.T)  # noqa: SLF001 (no public name yet)


def product(
    a: Float[Tensor, "runs rows inner"],
    b: Float[Tensor, "runs inner columns"],
    *,
    out: Float[Tensor, "runs rows columns"] | None = None,
) -> Float[Tensor, "runs rows columns"]:
    """The product of each run, a b, whichever of the two is a transposed view; in `out` if it is given."""
    if not _through_onednn(a, b):
        return torch.matmul(a, b, out=out)
    if out is None:
        runs = [_product(*pair) for pair in zip(a, b, strict=True)]
        return torch.stack(runs) if len(runs) > 1 else runs[0].unsqueeze(0)
    step = max(1, _BLOCK // b.shape[2])
    for left, right, into in zip(a, b, out, strict=True):
        for rows, part in zip(left.split(step), into.split(step), strict=True):
            part.copy_(_product(rows, right))
    return out


def _product(a: Float[Tensor, "rows inner"], b: Float[Tensor, "inner columns"]) -> Float[Tensor, "rows columns"]:
    if a.is_contiguous():
        return row_products(a, b.T)
    return row_products(b.T.contiguous(), a).T.contiguous()


def _through_onednn(a: Tensor, b: Tensor) -> bool:
    single = a.dtype == b.dtype == torch.float32 or (HAS_BFLOAT16 and a.dtype == b.dtype == torch.bfloat16)
    return _HAS_ONEDNN and single and a.device.type == "cpu" and a.numel() > 0 and b.numel() > 0
