"""The compiled loops of directions, and of pairs of them."""

import numpy as np

from reseed._support.jit import compiled

__all__ = ["paired_products", "scale_rows"]


@compiled
def scale_rows(rows: np.ndarray, scale: np.ndarray, scaled: np.ndarray) -> None:
    """Write each row times its float64 scale, rounded to float32 once, to `scaled`."""
    for i in range(len(rows)):
        factor = scale[i]
        for k in range(rows.shape[1]):
            scaled[i, k] = rows[i, k] * factor


@compiled
def paired_products(
    a: np.ndarray, b: np.ndarray, scale_a: np.ndarray, scale_b: np.ndarray, pairs: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """For each pair (i, j) the product of row i of `a` and row j of `b`, each times its scale, summed in float64."""
    rows, cols = pairs
    products = np.empty(len(rows))
    for k in range(len(rows)):
        x, y, total = a[rows[k]], b[cols[k]], 0.0
        factor_x, factor_y = scale_a[rows[k]], scale_b[cols[k]]
        for m in range(len(x)):
            total += (x[m] * factor_x) * (y[m] * factor_y)
        products[k] = total
    return products
