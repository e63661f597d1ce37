"""Every test runs offline, on one thread, and with the shapes that reseed's annotations promise checked by jaxtyping."""

import os

from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported; each worker of xdist has a core
os.environ["HF_HUB_OFFLINE"] = "1"

install_import_hook("reseed", "checked_shapes.checked")
