"""The same question put to the nearest tools: SAELens' own MCC and overcomplete's Hungarian distance.

.venv-peers/bin/python benchmarks/peers/nearest.py A B
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from _peers import _imported, _skip_init
from sae_lens import SAE
from sae_lens.synthetic.evals import mean_correlation_coefficient

a, b = (SAE.load_from_disk(path).W_dec.detach() for path in sys.argv[1:])
print(f"SAELens, mean_correlation_coefficient: {mean_correlation_coefficient(a, b):.3f}")
_skip_init("overcomplete")
distance = _imported("overcomplete.metrics").cosine_hungarian_loss(a, b)
print(f"overcomplete, cosine_hungarian_loss: {float(distance):.3f}")
