"""Compares the simulator with executors that are not ours: onnxruntime, and qonnx's own.

Stage by stage on the graph as imported (bhc.frontend.reference says how, and what is ambiguous in float32),
and the outputs of the graph as scheduled with those of the graph as imported.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bhc import simulator
from bhc.inputs import Array, Windows
from bhc.ir.evaluate import evaluate
from bhc.ir.ops import IntArray
from bhc.progress import Progress
from bhc.report import Difference, Verification
from bhc.simulator import Network

if TYPE_CHECKING:
    from bhc.frontend import Model
    from bhc.frontend.reference import Executor

_CHUNK = 64  # windows between two reports of progress


def compare(
    path: Path,
    model: Model,
    network: Network,
    windows: Windows,
    progress: Progress,
    against: Executor,
    backend: str,
) -> Verification:
    """The whole comparison; path: of the model; backend: of the build. Raises BhcError if the executor is not
    installed.
    """
    # The executors are optional, and slow to import.
    from bhc.frontend import reference

    stages: set[str] = set()
    values = mismatches = ambiguous = same = 0
    first: Difference | None = None
    labels: list[IntArray] = []
    for start in range(0, len(windows), _CHUNK):
        x = windows.x[start : start + _CHUNK]
        found = reference.verify(model, path, x, against)
        stages.update(found.stages)
        values += found.values
        mismatches += found.mismatches
        ambiguous += found.ambiguous
        if found.first is not None and first is None:
            f = found.first
            # There, "expected" is ours; here the executor is what the simulator is held against.
            first = Difference(f.stage, start + f.window, f.position, str(f.got), str(f.expected))
        ours, compared, wrong, difference = _rewritten(model, network, x, start)
        values += compared
        mismatches += wrong
        first = first or difference
        theirs = model.tail.labels(_outputs(path, model, x, against))
        same += int((ours == theirs).sum())
        labels.append(ours)
        progress.advance(start + len(x), len(windows))
    found_labels = np.concatenate(labels)
    return Verification(
        against=against,
        backend=backend,
        windows=len(windows),
        stages=len(stages),
        values=values,
        mismatches=mismatches,
        ambiguous=ambiguous,
        agreement=same / len(windows),
        accuracy=None if windows.y is None else float((found_labels == windows.y).mean()),
        first=first,
    )


def streamed_too(
    entry: Verification, windowed: Network, streamed: Network, recordings: Windows, cut: Windows
) -> Verification:
    """The comparison of the windows, with that of the streamed graph's results for the recordings that they are of."""
    (declared,) = windowed.graph.inputs
    got = [values for _, values in simulator.run(streamed, recordings)]
    wrong = compared = 0
    first = entry.first
    for part in simulator.chunks(windowed.graph, len(cut)):
        x = windowed.head.run(cut.x[part])
        values = evaluate(windowed.graph, {declared.name: x})
        for name in windowed.graph.outputs:
            found = np.concatenate([v[name] for v in got])[part].reshape(values[name].shape)
            differing = np.argwhere(found != values[name])
            compared += found.size
            wrong += len(differing)
            if len(differing) and first is None:
                window, *position = where = tuple(int(i) for i in differing[0])
                expected, saw = str(values[name][where]), str(found[where])
                first = Difference(name, part.start + window, tuple(position), expected, saw)
    return replace(entry, values=entry.values + compared, mismatches=entry.mismatches + wrong, first=first)


def _outputs(path: Path, model: Model, x: Array, against: Executor) -> list[Array]:
    """The executor's outputs in the model's order."""
    from bhc.frontend import reference

    found = reference.Reference(path).run(x) if against == "onnxruntime" else reference.run_qonnx(path, x)
    return [found[port.name] for port in model.outputs]


def _rewritten(model: Model, network: Network, x: Array, start: int) -> tuple[IntArray, int, int, Difference | None]:
    """(labels, values, mismatches, first) of the scheduled graph against the imported one."""
    (declared,) = model.graph.inputs
    data = {declared.name: model.head.run(x)}
    imported, scheduled = evaluate(model.graph, data), evaluate(network.graph, data)
    compared = wrong = 0
    first: Difference | None = None
    for name, ours in zip(model.graph.outputs, network.graph.outputs, strict=True):
        expected, got = imported[name], scheduled[ours]
        differing = np.argwhere(expected != got)
        compared += expected.size
        wrong += len(differing)
        if len(differing) and first is None:
            window, *position = where = tuple(int(i) for i in differing[0])
            first = Difference(ours, start + window, tuple(position), str(expected[where]), str(got[where]))
    return network.tail.labels(simulator.finish(network, scheduled)), compared, wrong, first
