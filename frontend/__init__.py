"""Reads QONNX: the one entry to everything that knows ONNX and floats.

model = load(Path("model.onnx"))
integers = model.head.run(x)                              what goes into the hardware
values = evaluate(model.graph, {"input": integers})       what the hardware computes
outputs = model.tail.run([values[o] for o in model.graph.outputs])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bhc.frontend.crop import merge_crops
from bhc.frontend.float_error import Interval
from bhc.frontend.importer import run
from bhc.frontend.lower import Ambiguity, Tap
from bhc.frontend.onnx_file import read
from bhc.ir.graph import Graph
from bhc.ir.host import Head, Tail
from bhc.ir.ops import Pads
from bhc.ir.passes import remove_dead

__all__ = ["Ambiguity", "Exactness", "Interval", "Model", "Port", "Tap", "load"]


@dataclass(frozen=True, slots=True)
class Port:
    """An ONNX input or output: its name and its shape without the batch axis."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exactness:
    """Where float32 execution of the model may differ from exact arithmetic: one entry for each Threshold."""

    nodes: tuple[Ambiguity, ...]

    @property
    def channels(self) -> int:
        """Channels of all thresholds."""
        return sum(node.channels for node in self.nodes)

    @property
    def ambiguous_channels(self) -> int:
        """Channels with at least one reachable accumulator value on which float32 may decide otherwise."""
        return sum(node.ambiguous_channels for node in self.nodes)


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """An imported model. taps tells which ONNX tensor an IR value stands for, where there is one."""

    name: str
    sha256: str
    graph: Graph
    head: Head
    tail: Tail
    exactness: Exactness
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    taps: Mapping[str, Tap]


def _cropped_tap(tap: Tap, before: tuple[int, int, int], after: tuple[int, int, int], crop: Pads) -> Tap:
    """The same tap for a value whose rows and columns were cut by the negative pads `crop`."""
    h, w, c = before
    kept = np.full((h, w, c), -1)
    top, left = -crop.top, -crop.left
    kept[top : top + after[0], left : left + after[1]] = np.arange(after[0] * after[1] * c).reshape(after)
    return replace(tap, index=np.where(tap.index < 0, -1, kept.reshape(-1)[tap.index]))


def load(path: Path) -> Model:
    """Import a QONNX file. Raises BhcError with all diagnostics found: BHC100 to BHC219."""
    source = read(path)
    imported = run(source)
    whole = remove_dead(imported.lowering.builder.graph(imported.sources))
    graph, cropped = merge_crops(whole)
    names = {node.name for node in graph.nodes}
    ambiguities = tuple(a for a in imported.lowering.ambiguities if a.node in names)
    taps = {name: tap for name, tap in imported.lowering.taps.items() if name in names or name == "input"}
    before, after = whole.types(), graph.types()
    for name in set(cropped) & set(taps):
        taps[name] = _cropped_tap(taps[name], before[name].image, after[name].image, cropped[name])
    return Model(
        source.name,
        source.sha256,
        graph,
        imported.head,
        imported.tail,
        Exactness(ambiguities),
        (Port(source.inputs[0].name, imported.head.input_shape),),
        tuple(Port(o.name, o.shape) for o in imported.tail.outputs),
        taps,
    )
