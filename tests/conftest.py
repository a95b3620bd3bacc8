from collections.abc import Iterator

import pytest

from converter.runtimes import RuntimePool


@pytest.fixture(scope="session")
def pool() -> Iterator[RuntimePool]:
    """One Node process and one browser for all tests of a worker."""
    with RuntimePool() as runtimes:
        yield runtimes
