"""What convert and verify write for CI: the page, JUnit, annotations and the summary of a step."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Cli

NODE = "onnxruntime,tfjs-wasm@node"
UNEQUAL = ("--runtimes", NODE, "--atol", "0", "--rtol", "0")


@pytest.fixture
def artifact(cli: Cli, mlp: Path) -> Path:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "artifacts", "--runtimes", NODE).code == 0
    return mlp.parent / "artifacts/mlp/0.1.0"


@pytest.fixture
def proof_that_fails(rounding: Path) -> tuple[str | Path, ...]:
    """A conversion that allows no error at all, of a model that rounds."""
    return ("convert", rounding, "--name", "mlp", "--artifacts", rounding.parent / "artifacts", *UNEQUAL)


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


def annotations(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("::")]


def test_the_artifact_has_a_page_without_latencies(artifact: Path) -> None:
    page = (artifact / "report.html").read_text(encoding="utf-8")
    assert "agree with onnxruntime" in page or "agrees with onnxruntime" in page
    assert "Latency" not in page


def test_an_unproved_artifact_says_so_on_its_page(cli: Cli, mlp: Path) -> None:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "a", "--no-verify").code == 0
    assert "Not proved" in (mlp.parent / "a/mlp/0.1.0/report.html").read_text(encoding="utf-8")


def test_converting_twice_gives_the_same_page(cli: Cli, mlp: Path) -> None:
    pages = []
    for name in ("a", "b"):
        assert cli("convert", mlp, "--artifacts", mlp.parent / name, "--runtimes", NODE).code == 0
        pages.append((mlp.parent / name / "mlp/0.1.0/report.html").read_bytes())
    assert pages[0] == pages[1]


def test_verify_writes_documents(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    report, junit = tmp_path / "out" / "report.html", tmp_path / "out" / "junit.xml"
    assert cli("verify", artifact, "--runtimes", NODE, "--report", report, "--junit", junit).code == 0
    assert "Latency" in report.read_text(encoding="utf-8")
    suite = ElementTree.parse(junit).getroot().find("testsuite")
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "0")
    assert cli("verify", artifact, "--runtimes", NODE).code == 0, "the artifact was changed"


def test_documents_of_a_failing_proof_are_written_all_the_same(
    cli: Cli, proof_that_fails: tuple[str | Path, ...], tmp_path: Path
) -> None:
    report, junit = tmp_path / "report.html", tmp_path / "junit.xml"
    run = cli(*proof_that_fails, "--report", report, "--junit", junit)
    assert run.code == 5
    assert "✗ " in report.read_text(encoding="utf-8")
    assert int(ElementTree.parse(junit).getroot().attrib["failures"]) > 0


def test_no_document_is_written_into_an_artifact(cli: Cli, artifact: Path) -> None:
    run = cli("verify", artifact, "--runtimes", NODE, "--report", artifact / "report.html")
    assert run.code == 2
    assert "an artifact never changes" in run.err
    assert cli("verify", artifact, "--runtimes", NODE).code == 0


def test_a_failure_is_annotated_and_summarised(
    cli: Cli, proof_that_fails: tuple[str | Path, ...], summary: Path
) -> None:
    run = cli(*proof_that_fails)
    assert run.code == 5
    (line,) = annotations(run.err)
    assert line.startswith("::error title=compat-export%3A ParityError::")
    assert "%0A" in line
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("### mlp 0.1.0")
    assert "| tfjs-wasm@node | ❌ failed |" in text


def test_what_was_not_run_is_a_warning(cli: Cli, artifact: Path, summary: Path, monkeypatch) -> None:
    monkeypatch.setattr("converter.runtimes.RuntimePool.browser", lambda *_: None)
    run = cli("verify", artifact, "--json")
    assert run.code == 0
    assert run.document["parity"]["status"] == "passed", "annotations must stay out of stdout"
    found = annotations(run.err)
    assert [line.partition("::")[2].split(" ")[0] for line in found] == ["warning"] * len(found)
    assert any("tfjs-webgl@chromium" in line for line in found)


def test_any_error_is_annotated_with_its_file(cli: Cli, tmp_path: Path, summary: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text("name: 7 of 9\n")
    run = cli("convert", config)
    assert run.code == 2
    (line,) = annotations(run.err)
    assert f"file={config}" in line
    assert "❌" in summary.read_text(encoding="utf-8")


def test_elsewhere_nothing_is_annotated(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert annotations(cli("verify", tmp_path).err) == []
