import method_cases
import pytest

from reseed.methods import parse


@pytest.fixture(params=method_cases.ALL, ids=method_cases.name_of)
def method(request):
    return parse(request.param)


@pytest.fixture(scope="session")
def tokens():
    return method_cases.tokens()
