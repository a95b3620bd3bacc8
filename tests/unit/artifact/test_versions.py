import random

import pytest

from converter.artifact.versions import bumped, is_prerelease, newest_first

# The order that the specification itself gives as its example, and its neighbours.
RISING = (
    "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0", "10.0.0",
)  # fmt: skip


def test_order_is_that_of_the_specification():
    shuffled = list(RISING)
    random.Random(0).shuffle(shuffled)
    assert newest_first(shuffled) == list(reversed(RISING))


@pytest.mark.parametrize(
    ("version", "major", "minor", "patch"),
    [
        ("1.2.3", "2.0.0", "1.3.0", "1.2.4"),
        ("0.0.0", "1.0.0", "0.1.0", "0.0.1"),
        ("2.0.0-rc.1", "2.0.0", "2.0.0", "2.0.0"),
        ("2.1.0-rc.1", "3.0.0", "2.1.0", "2.1.0"),
        ("2.1.3-rc.1", "3.0.0", "2.2.0", "2.1.3"),
        ("1.2.3+build.5", "2.0.0", "1.3.0", "1.2.4"),
    ],
)
def test_the_next_version(version, major, minor, patch):
    assert [bumped(version, part) for part in ("major", "minor", "patch")] == [major, minor, patch]


def test_a_prerelease_is_told_from_build_metadata():
    assert is_prerelease("1.0.0-rc.1")
    assert not is_prerelease("1.0.0+build-5")
