"""Which runtimes there are, and a pool that starts each of them once."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from converter.errors import ConfigError, RuntimeMissing
from converter.runtimes.base import Runtime
from converter.runtimes.node_process import BrowserInfo, BrowserKind, NodeProcess, WireSize
from converter.tensorflow_chain.conversions import ENGINE, SAVED_MODEL
from converter.tensorflow_chain.environment import Environment, in_use
from converter.tensorflow_chain.process import WorkerProcess

NODE_RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node", "onnxruntime-web@node")
CHROMIUM_RUNTIMES = (
    "tfjs-cpu@chromium",
    "tfjs-wasm@chromium",
    "tfjs-webgl@chromium",
    "tfjs-webgl-f16@chromium",  # float16 textures, which are all that many phones have
    "tfjs-webgpu@chromium",
    "onnxruntime-web@chromium",
)
FIREFOX_RUNTIMES = ("tfjs-wasm@firefox", "tfjs-webgl@firefox")
LAYERS_RUNTIMES = ("tfjs-layers-cpu@node", "tfjs-layers-wasm@node", "tfjs-layers-webgl@chromium")
BROWSER_RUNTIMES: dict[BrowserKind, tuple[str, ...]] = {"chromium": CHROMIUM_RUNTIMES, "firefox": FIREFOX_RUNTIMES}
HOSTED_RUNTIMES = (*NODE_RUNTIMES, *CHROMIUM_RUNTIMES, *FIREFOX_RUNTIMES, *LAYERS_RUNTIMES)
RUNTIME_NAMES = ("torch", "onnxruntime", SAVED_MODEL, *HOSTED_RUNTIMES)


class RuntimePool:
    """The runtimes of one command; all of TF.js and ONNX Runtime Web share one Node process and one browser a kind.

    `chain` is the process of the engine onnx-tf, which runs SavedModels as well.
    Closing the pool ends every process that it started.
    """

    def __init__(self, *, browser: Path | None = None, hardware_gpu: bool = False) -> None:
        self._process = NodeProcess(browser=browser, hardware_gpu=hardware_gpu)
        self._held = ExitStack()
        self._engine: Environment | None = None
        self.chain = WorkerProcess(self.engine)
        self._runtimes: dict[str, Runtime] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, name: str) -> Runtime:
        """The runtime of that name, not started.

        Raises: ConfigError if there is no such runtime, or it is torch, which only who holds the module can make.
        """
        if name not in self._runtimes:
            self._runtimes[name] = self._create(name)
        return self._runtimes[name]

    def of_build(self, backend: str, build: Path) -> Runtime:
        """The runtime that runs graph models on a build of TF.js in Chromium, not started; it ends with the pool."""
        from converter.runtimes.tfjs import TfjsRuntime

        return TfjsRuntime(f"tfjs-bundle-{backend}@chromium", self._process, build)

    def browser(self, kind: BrowserKind = "chromium") -> BrowserInfo | None:
        """The browser that the runtimes in it would use, None if there is none.

        Raises: RuntimeMissing if the browser that was asked for isn't there, or Node can't start.
        """
        return self._process.browser(kind)

    def engine(self) -> Environment:
        """The environment of the engine onnx-tf, which stays as it is while the pool is open.

        Raises: EngineMissing if it isn't installed, or isn't whole.
        """
        if self._engine is None:
            self._engine = self._held.enter_context(in_use(ENGINE))
        return self._engine

    def engine_lacks(self) -> str:
        """Why SavedModels can't run here, nothing if they can: their engine is not something that everyone has."""
        try:
            self.engine()
        except RuntimeMissing as error:
            return error.what
        return ""

    def wire_sizes(self, files: Sequence[Path]) -> list[WireSize]:
        """What files take as they are, and as a server sends them.

        Raises: RuntimeMissing if Node can't start.
        """
        return self._process.wire_sizes(files)

    def close(self) -> None:
        """End every runtime; closing twice is fine."""
        runtimes, self._runtimes = self._runtimes, {}
        try:
            for name, runtime in runtimes.items():
                if name not in (*HOSTED_RUNTIMES, SAVED_MODEL):  # those end with their process
                    runtime.close()
        finally:
            self.chain.close()
            self._engine = None
            self._held.close()
            self._process.close()

    def _create(self, name: str) -> Runtime:
        if name in HOSTED_RUNTIMES:
            return _hosted(name, self._process)
        if name == "onnxruntime":
            from converter.runtimes.onnxruntime_ import OnnxRuntime

            return OnnxRuntime()
        if name == SAVED_MODEL:
            from converter.runtimes.saved_model import SavedModelRuntime

            return SavedModelRuntime(self.chain)
        if name == "torch":
            hint = "compare with onnxruntime instead"
            raise ConfigError("the torch runtime needs the checkpoint, which isn't at hand", where=name, hint=hint)
        raise ConfigError(f"there is no runtime {name!r}", hint=f"choose from {', '.join(RUNTIME_NAMES)}")


def _hosted(name: str, process: NodeProcess) -> Runtime:
    if name.startswith("onnxruntime-web@"):
        from converter.runtimes.onnxruntime_web import OnnxRuntimeWeb

        return OnnxRuntimeWeb(name, process)
    from converter.runtimes.tfjs import TfjsRuntime

    return TfjsRuntime(name, process)
