"""The network on a computer: integers as in hardware, floats before and after as the ONNX file says; exact,
in batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from bhc.backends.runner import file_errors
from bhc.inputs import Array, Overlap, Windows, integers, rows
from bhc.ir.evaluate import Values, evaluate
from bhc.ir.graph import Graph
from bhc.ir.host import Head, Tail
from bhc.ir.ops import IntArray
from bhc.ir.stream import Evaluator, is_streamed, sequences
from bhc.progress import SILENT, Progress

#: Elements of all values at once: 64 MiB of int64, and a few times that for the windows of a convolution.
_CHUNK_ELEMENTS = 1 << 23


@dataclass(frozen=True, eq=False, slots=True)
class Network:
    """A model as bhc runs it: head on the host, integer graph, tail on the host."""

    graph: Graph
    head: Head
    tail: Tail

    @property
    def overlap(self) -> Overlap | None:
        """How recordings are cut, if the graph is streamed."""
        if not is_streamed(self.graph):
            return None
        rows = self.head.run(np.zeros((1, *self.head.input_shape), np.float32)).shape[1]
        return Overlap(rows, self.graph.inputs[0].type.image[0])


@dataclass(frozen=True, eq=False, slots=True)
class Simulation:
    """outputs: as the ONNX file's, by name and in its order, (N, ...). labels: class indices (N,)."""

    outputs: Mapping[str, Array]
    labels: IntArray

    @property
    def y(self) -> Array:
        """The first output."""
        return next(iter(self.outputs.values()))


def chunks(graph: Graph, windows: int) -> Iterator[slice]:
    """Ranges of windows that are evaluated together."""
    elements = sum(value.elements for value in graph.types().values())
    size = max(1, _CHUNK_ELEMENTS // elements)
    for start in range(0, windows, size):
        yield slice(start, min(start + size, windows))


def run(network: Network, windows: Windows, progress: Progress = SILENT) -> Iterator[tuple[slice, Values]]:
    """Every value of the graph, chunk by chunk. Raises BhcError for windows that the model does not take."""
    if network.overlap is not None:
        yield from _run_recordings(network, windows, network.overlap, progress)
        return
    (declared,) = network.graph.inputs
    for part in chunks(network.graph, len(windows)):
        x = integers(Windows(windows.x[part], None, windows.origin), network.head)
        yield part, evaluate(network.graph, {declared.name: x})
        progress.advance(part.stop, len(windows))


def _run_recordings(
    network: Network, recordings: Windows, overlap: Overlap, progress: Progress
) -> Iterator[tuple[slice, Values]]:
    """Every value for each recording; of values that are one for each window, those of its windows alone."""
    running, types = sequences(network.graph), network.graph.types()
    done = 0
    for number, recording in enumerate(rows(recordings, network.head, overlap)):
        count = overlap.count(len(recording))
        values = Evaluator(network.graph).push(recording)
        for name in network.graph.outputs:
            values[name] = values[name].reshape(-1, *types[name].shape)
        kept = {
            name: v[:count] if name in network.graph.outputs or name not in running else v for name, v in values.items()
        }
        yield slice(done, done + count), kept
        done += count
        progress.advance(number + 1, len(recordings))


def finish(network: Network, values: Values) -> list[Array]:
    """The ONNX outputs for a chunk's values."""
    return network.tail.run([values[name] for name in network.graph.outputs])


def simulate(
    network: Network, windows: Windows, *, trace: Path | None = None, progress: Progress = SILENT
) -> Simulation:
    """All outputs; trace: folder that gets every value, in the order of evaluation, as
    `<number>-<name>.npy`.
    """
    outputs: list[list[Array]] = []
    labels: list[IntArray] = []
    traced: dict[str, list[IntArray]] = {}
    for _, values in run(network, windows, progress):
        finished = finish(network, values)
        outputs.append(finished)
        labels.append(network.tail.labels(finished))
        if trace is not None:
            for name, value in values.items():
                traced.setdefault(name, []).append(value)
    if trace is not None:
        _write_trace(trace, traced)
    names = [output.name for output in network.tail.outputs]
    joined = [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
    return Simulation(dict(zip(names, joined, strict=True)), np.concatenate(labels))


def _write_trace(folder: Path, traced: Mapping[str, list[IntArray]]) -> None:
    with file_errors("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number, (name, parts) in enumerate(traced.items()):
            np.save(folder / f"{number:03}-{quote(name, safe='')}.npy", np.concatenate(parts))
