"""Are these two SAELens dictionaries the same? By hand, as people do it: for benchmarks of reseed compare.

.venv-peers/bin/python benchmarks/peers/by_hand.py A B
"""

import sys

from sae_lens import SAE
from scipy.optimize import linear_sum_assignment

a, b = (SAE.load_from_disk(path).W_dec.detach().double() for path in sys.argv[1:])
a, b = a / a.norm(dim=1, keepdim=True), b / b.norm(dim=1, keepdim=True)
cosines = (a @ b.T).numpy()
rows, columns = linear_sum_assignment(cosines, maximize=True)
matched = cosines[rows, columns]
print(f"mean {matched.mean():.3f}, at their own index: {(rows == columns).sum()}")
