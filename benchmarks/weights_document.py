"""Tells what `--weights auto` does and finds: docs/weights.md, from nothing but the results."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from converter.pipeline.encode_mix import MAX_ADDED, MAX_GROUPS, MAX_PROBED, MAX_PROPOSED, SMALL_SHARE
from converter.tfjs.encodings import ENCODINGS, MIN_ELEMENTS

REASONS = {
    "basic-pitch": "Its outputs lie between 0 and 1, so large values are not why. The samples that are so far off are "
    "constant audio, all 1 and all -1: of that, the filters leave 8e-5 (the median; 0.6 of random audio), which is "
    "what rounding left of sums that cancel, and the model takes its logarithm. On random audio float32 is 5e-5 off, "
    "and uint16 5e-3.",
}
"""Why a model is refused, where somebody has looked."""


def write_document(results: Mapping[str, Any], folder: Path) -> None:
    """Write weights.md into a folder."""
    (folder / "weights.md").write_text("\n".join(_document(results)) + "\n", encoding="utf-8")


def _document(results: Mapping[str, Any]) -> Iterator[str]:
    most = 4 + (1 + MAX_GROUPS + 1) * MAX_PROBED + MAX_PROPOSED + MAX_ADDED
    yield from (
        "# Weights in fewer bytes",
        "",
        "Written by `python -m benchmarks.weights` from [weights.json](weights.json); don't edit.",
        "",
        "TF.js widens weights to float32 when it loads a model, so encodings change what an app downloads, not how",
        "long a prediction takes. `--weights float16` halves the bytes; so does `uint16`, which tells 65,536 values",
        "between a weight's smallest and largest one; `uint8` quarters them, with 256 values.",
        f"Weights of less than {MIN_ELEMENTS} numbers stay as they are.",
        "",
        "## What `--weights auto --max-error X` does",
        "",
        "X is an absolute error, in the unit of the outputs, over all outputs and all samples of the proof; inputs of",
        "your own (`--samples`) say more about your model than random ones. It is measured on `tfjs-wasm@node` against",
        "PyTorch, or onnxruntime where there is no PyTorch module.",
        "",
        "1. All weights in float32, float16, uint16 and uint8: the smallest that is inside X is the base.",
        "2. Unless that is uint8: each weight in uint8 alone, on the sample that is worst with all in uint8. Weights",
        f"   that save less than {SMALL_SHARE:.0%} of the bytes together count as one, and so do those after the",
        f"   {MAX_GROUPS} largest. What is beyond X alone is out.",
        "3. Rounding is a small change, so its effects on the outputs add up, signs included. What saves most by these",
        "   sums is measured on all samples. If it is beyond X on one of them, step 2 is done for that sample as well,",
        f"   on at most {MAX_PROBED}; where that doesn't help, less is allowed of the sums.",
        f"4. On top of what is inside X, at most {MAX_ADDED} more weights are tried, those that save most first.",
        "",
        "Where all weights have to be float32, the same is done for uint16 first.",
        "What is chosen was measured on all samples, and takes least of all that was measured inside X. The proof then",
        "holds the TF.js runtimes to X. The same model and settings give the same choice.",
        "Where even float32 is beyond X, the conversion is refused.",
        "",
        f"At most {most} graphs are loaded ({2 * most - len(ENCODINGS)} from float32), most of them for one sample.",
        "That takes a second for small models, and up to a minute of CPU for the largest below. Meanwhile a temporary",
        "folder holds each weight in each encoding that was tried: up to 2.25 times the bytes of float32.",
        "",
        "## What it finds",
        "",
        f"`convert --weights auto --max-error {results['max_error']}` with the samples that everybody gets. kB of all",
        "weights, and the largest error. CPU seconds are of the whole process, proof included. Models marked * have",
        "random weights and random outputs: their errors say how the search works, not what an app would see.",
        "",
        *_table(results),
        "",
        *_refusals(results),
    )


def _table(results: Mapping[str, Any]) -> Iterator[str]:
    yield f"| model | {' | '.join(ENCODINGS)} | chosen | kB, error | of float32 | CPU s |"
    yield "| --- |" + " ---: |" * len(ENCODINGS) + " --- | ---: | ---: | ---: |"
    for row in results["models"]:
        name = row["model"] + ("" if row["is_pretrained"] else " *")
        if row["refusal"]:
            yield f"| {name} |{' |' * len(ENCODINGS)} refused, see below | | | {row['cpu_s']} |"
            continue
        trials = {one["name"]: one for one in row["trials"]}
        chosen = row["trials"][-1]
        share = chosen["size_bytes"] / trials["float32"]["size_bytes"]
        cells = " | ".join(_told(trials[one]) for one in ENCODINGS)
        yield f"| {name} | {cells} | {chosen['name']} | {_told(chosen)} | {share:.0%} | {row['cpu_s']} |"


def _told(trial: Mapping[str, Any]) -> str:
    return f"{trial['size_bytes'] / 1000:,.0f}, {float(trial['max_error']):.1e}"


def _refusals(results: Mapping[str, Any]) -> Iterator[str]:
    refused = [row for row in results["models"] if row["refusal"]]
    yield from ("Refused:" if refused else "None is refused.", "")
    for row in refused:
        yield " ".join(filter(None, [f"- {row['model']}: {row['refusal']}.", REASONS.get(row["model"], "")]))


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    write_document(json.loads((docs / "weights.json").read_text(encoding="utf-8")), docs)
