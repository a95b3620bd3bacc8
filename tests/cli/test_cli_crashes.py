"""Kills at random instants; `python -m tests.crashes 200` does more of them."""

from pathlib import Path

from tests.crashes import crash
from tests.servers import s3_server


def test_a_kill_leaves_nothing_or_the_whole_version(tmp_path: Path) -> None:
    with s3_server() as server:
        figures = crash(tmp_path, 6, seed=1, proved=False, s3=server.url)
    assert {kind: sum(counts.values()) for kind, counts in figures.items()} == {"convert": 2, "folder": 2, "s3": 2}
    assert sum(count for counts in figures.values() for how, count in counts.items() if how.startswith("killed")) > 0
