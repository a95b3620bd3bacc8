"""TF.js graph models and Layers models in Node and in browsers, each backend a runtime."""

from collections.abc import Mapping
from pathlib import Path

from converter.errors import ConverterError
from converter.runtimes import storage
from converter.runtimes.hosted import HostedModel, HostedRuntime
from converter.runtimes.storage import slot_from_metadata


class _Storage:
    """TF.js stores few dtypes: what it stores otherwise is undone here."""

    sent = staticmethod(storage.to_storage)
    received = staticmethod(storage.from_storage)


class TfjsRuntime(HostedRuntime):
    """One TF.js backend in one place; `name` is `tfjs-<backend>@node`, `@chromium` or `@firefox`.

    `tfjs-layers-<backend>` runs Layers models in the same way.
    """

    def load(self, model: Path) -> HostedModel:
        """Load the model of a folder, after a start where there was none or the runtime died since.

        Raises: ConverterError if a file is missing or leaves the folder, or TF.js refuses the model.
        """
        header = self.open(model)
        metadata = header.get("metadata") or {}
        try:
            inputs, outputs = (tuple(map(slot_from_metadata, metadata[key])) for key in ("inputs", "outputs"))
        except (KeyError, TypeError, ConverterError) as error:
            self.unload(header["handle"])
            raise ConverterError(
                "model.json doesn't tell the ONNX names and dtypes of its inputs and outputs in userDefinedMetadata",
                where=self.name,
                hint="convert the model with compat-export",
            ) from error
        return HostedModel(self, header, _Storage(), inputs=inputs, outputs=outputs)

    def memory(self) -> Mapping[str, int]:
        """What the backend holds: `n_tensors` and `size_bytes`."""
        header = self.ask("memory")
        return {"n_tensors": header["n_tensors"], "size_bytes": header["size_bytes"]}
