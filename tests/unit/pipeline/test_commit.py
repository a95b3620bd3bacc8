import subprocess

import pytest

from converter.pipeline.repository import repository_of


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "config.yaml").write_text("name: m\n")
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=n", "-c", "user.email=e@x", "commit", "-qm", "first"),
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    return tmp_path


def test_a_commit_is_clean_until_a_tracked_file_changes(repository):
    clean = repository_of(repository)
    assert clean is not None
    assert (len(clean.commit), clean.is_dirty) == (40, False)
    (repository / "artifact.bin").touch()
    assert repository_of(repository) == clean
    (repository / "config.yaml").write_text("name: other\n")
    assert repository_of(repository) == clean.model_copy(update={"is_dirty": True})


def test_outside_of_version_control_nothing_is_said(tmp_path):
    assert repository_of(tmp_path) is None
    assert repository_of(tmp_path / "absent") is None


def test_nothing_of_the_repository_is_run(repository):
    hook = repository / "monitor"
    hook.write_text(f"#!/bin/sh\ntouch {repository}/hacked\n")
    hook.chmod(0o755)
    subprocess.run(["git", "-C", str(repository), "config", "core.fsmonitor", str(hook)], check=True)
    assert repository_of(repository) is not None
    assert not (repository / "hacked").exists()
