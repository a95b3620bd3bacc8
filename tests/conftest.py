import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from converter.runtimes import RuntimePool

# no test may fail because the machine is slow
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts its background jobs so, and what they start would inherit it: servers that no Ctrl-C ends
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def pool() -> Iterator[RuntimePool]:
    """One Node process and one browser for all tests of a worker."""
    with RuntimePool() as runtimes:
        yield runtimes
