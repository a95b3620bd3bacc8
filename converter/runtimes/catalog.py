"""Which runtimes there are, and a pool that starts each of them once."""

from pathlib import Path
from types import TracebackType
from typing import Self

from converter.errors import ConfigError
from converter.runtimes.base import Runtime
from converter.runtimes.node_process import BrowserInfo, NodeProcess

NODE_RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node")
CHROMIUM_RUNTIMES = ("tfjs-cpu@chromium", "tfjs-wasm@chromium", "tfjs-webgl@chromium", "tfjs-webgpu@chromium")
RUNTIME_NAMES = ("torch", "onnxruntime", *NODE_RUNTIMES, *CHROMIUM_RUNTIMES)


class RuntimePool:
    """The runtimes of one command; all TF.js runtimes share one Node process and one browser.

    Closing the pool ends every process that it started.
    """

    def __init__(self, *, browser: Path | None = None, hardware_gpu: bool = False) -> None:
        self._process = NodeProcess(browser=browser, hardware_gpu=hardware_gpu)
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

    def browser(self) -> BrowserInfo | None:
        """The browser that the `@chromium` runtimes would use, None if there is none.

        Raises: RuntimeMissing if the browser that was asked for isn't there, or Node can't start.
        """
        return self._process.browser()

    def close(self) -> None:
        """End every runtime; closing twice is fine."""
        runtimes, self._runtimes = self._runtimes, {}
        try:
            for name, runtime in runtimes.items():
                if not name.startswith("tfjs-"):  # those end with their process
                    runtime.close()
        finally:
            self._process.close()

    def _create(self, name: str) -> Runtime:
        if name in (*NODE_RUNTIMES, *CHROMIUM_RUNTIMES):
            from converter.runtimes.tfjs import TfjsRuntime

            return TfjsRuntime(name, self._process)
        if name == "onnxruntime":
            from converter.runtimes.onnxruntime_ import OnnxRuntime

            return OnnxRuntime()
        if name == "torch":
            hint = "compare with onnxruntime instead"
            raise ConfigError("the torch runtime needs the checkpoint, which isn't at hand", where=name, hint=hint)
        raise ConfigError(f"there is no runtime {name!r}", hint=f"choose from {', '.join(RUNTIME_NAMES)}")
