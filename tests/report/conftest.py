from __future__ import annotations

import pytest
import sample


@pytest.fixture(scope="session")
def findings():
    return sample.findings()


@pytest.fixture(scope="session")
def small(findings):
    """Two of the conditions, for tests that write many pages."""
    kept = tuple(findings.condition(name) for name in ("topk-random@centre", "ra-topk-shared@centre"))
    return findings.model_copy(update={"conditions": kept})
