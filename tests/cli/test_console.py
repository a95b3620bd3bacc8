import io
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from converter.cli.console import Console, Failure, Result, shown_path
from converter.cli.progress import narrate
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted

RESULT = Result({"answer": 42}, "forty-two", lambda: ["the answer is [bold]42[/]"])
FAILURE = Failure("ConfigError", "wrong", "here", "do this", 2)


def tell(emit: Emit) -> None:
    emit(StepStarted("train", 3))
    emit(StepAdvanced("train", 2, "loss [0.5]"))
    emit(StepFinished("train", "accuracy [0.9]"))
    emit(StepAdvanced("never begun", 1))


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [([], "people"), (["x", "--json"], "json"), (["-q"], "quiet"), (["--quiet"], "quiet"), (["-q", "--json"], "json")],
)
def test_mode_of_a_command_line(arguments: list[str], mode: str) -> None:
    assert Console.for_arguments(arguments).mode == mode


def test_people_get_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    Console("people").show(RESULT)
    assert capsys.readouterr() == ("the answer is 42\n", "")


def test_machines_get_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    Console("json").show(RESULT)
    assert capsys.readouterr() == ('{\n  "answer": 42\n}\n', "")


def test_quiet_gets_the_essential_line(capsys: pytest.CaptureFixture[str]) -> None:
    Console("quiet").show(RESULT)
    assert capsys.readouterr() == ("forty-two\n", "")


def test_failure_without_where_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    Console("people").fail(Failure("OSError", "disk full", "", "", 1))
    assert capsys.readouterr() == ("", "error: disk full\n")


def test_failure(capsys: pytest.CaptureFixture[str]) -> None:
    Console("people").fail(FAILURE)
    assert capsys.readouterr() == ("", "error: wrong\n  where: here\n  hint:  do this\n")


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Console("people").show(Result({}, "", lambda: ["word " * 100]))
    assert capsys.readouterr().out.count("\n") == 1


def test_progress_in_a_file_is_a_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Console("people").progress() as emit:
        tell(emit)
    assert capsys.readouterr() == ("", "done train: accuracy [0.9] (0.0 s)\n")


@pytest.mark.parametrize("mode", ["json", "quiet"])
def test_no_progress_for_machines(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Console.for_arguments([f"--{mode}"]).progress() as emit:
        tell(emit)
    assert capsys.readouterr() == ("", "")


def test_progress_on_a_terminal_is_live() -> None:
    screen = io.StringIO()
    with narrate(RichConsole(file=screen, force_terminal=True, width=100)) as emit:
        emit(StepStarted("train", 3))
        emit(StepAdvanced("train", 2, "loss [0.5]"))
    assert "train" in screen.getvalue()
    assert "loss [0.5]" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


def test_finished_steps_stay_on_the_terminal() -> None:
    screen = io.StringIO()
    with narrate(RichConsole(file=screen, force_terminal=True, color_system=None, width=100)) as emit:
        tell(emit)
    assert "done train: accuracy [0.9] (0.0 s)" in screen.getvalue()


@pytest.mark.parametrize("mode", ["json", "quiet"])
def test_prints_of_a_model_stay_out_of_the_result(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Console.for_arguments([f"--{mode}"]).protected_stdout():
        print("chatter")
    assert capsys.readouterr() == ("", "chatter\n")


def test_paths_are_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "configs" / ".." / "artifacts") == "artifacts"
    assert shown_path(Path("artifacts")) == "artifacts"
    assert shown_path(tmp_path.parent) == str(tmp_path.parent)
