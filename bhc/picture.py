"""The pipeline as boxes and edges, laid out row by row, and drawn for a terminal. bhc.svg draws the same
layout.

A box is what does an operation's work: a kernel with the sliding window and width adapter before it. FIFOs,
adapters and forks lie on edges. A box a row; edges run in lanes, as `git log --graph` draws branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bhc.ir.pipeline import Folding, Resources
from bhc.report import Report, StageRow, StreamRow

_WINDOWS = ("bhc_window", "bhc_shift")
_ON_EDGES = ("bhc_fifo", "bhc_fork", "bhc_width")


@dataclass(frozen=True, slots=True)
class Box:
    """One or more stages. cycles: of the slowest. resources: estimated, of all, and of the plumbing before
    it.
    """

    name: str
    kernels: tuple[str, ...]
    origin: tuple[str, ...]
    folding: Folding | None
    cycles: int
    macs: int
    memory: str | None
    resources: Resources


@dataclass(frozen=True, slots=True)
class Edge:
    """From one box to another, by index. stream: as it leaves its box. fifo: beats that the FIFOs on it hold
    in all.
    """

    source: int
    sink: int
    stream: StreamRow
    fifo: int


@dataclass(frozen=True, slots=True)
class Row:
    """A box in its lane. passing: lanes of edges that run by. joins, forks: other lanes that end and begin
    here.
    """

    box: Box
    lane: int
    passing: tuple[int, ...]
    joins: tuple[int, ...]
    forks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows from the input, which is the first, to the output, the last. lanes: of each edge."""

    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]
    lanes: tuple[int, ...]

    @property
    def slowest(self) -> int:
        """Cycles of the slowest box."""
        return max((row.box.cycles for row in self.rows), default=0) or 1


def _graph(report: Report) -> tuple[list[Box], list[Edge]]:
    """Boxes in topological order, input first and output last, and the edges between them."""
    streams = {stream.name: stream for stream in report.streams}
    producer = {sink: stage for stage in report.stages for sink in stage.sinks}
    consumer = {source: stage for stage in report.stages for source in stage.sources}
    groups: dict[str, list[StageRow]] = {}  # head stage -> the stages of its box
    for stage in report.stages:
        if stage.kernel not in (*_ON_EDGES, *_WINDOWS):
            group, before = [stage], [producer.get(source) for source in stage.sources]
            while before:
                upstream = before.pop()
                # Width adapters and windows serve the box after them, FIFOs and forks are counted there too.
                if upstream is not None and upstream.kernel in (*_ON_EDGES, *_WINDOWS):
                    group.append(upstream)
                    before += [producer.get(source) for source in upstream.sources]
            groups[stage.name] = group
    counted: set[str] = set()
    boxes = [Box("input", (), (), None, 0, 0, None, Resources())]
    index: dict[str, int] = {}
    for name, group in groups.items():
        index[name] = len(boxes)
        boxes.append(_box(group, counted))
    rest = [stage.resources for stage in report.stages if stage.name not in counted]
    boxes.append(Box("output", (), (), None, 0, 0, None, sum(rest, Resources())))
    edges: list[Edge] = []
    starts = [(0, stream) for stream in streams if stream not in producer]
    starts += [(index[name], sink) for name, group in groups.items() for sink in group[0].sinks]
    for source, first in starts:
        for last, fifo in _followed(first, consumer):
            sink = index[last] if last is not None else len(boxes) - 1
            edges.append(Edge(source, sink, streams[first], fifo))
    return boxes, edges


def _box(group: Sequence[StageRow], counted: set[str]) -> Box:
    head = group[0]
    windows = [stage for stage in group if stage.kernel in _WINDOWS]
    resources = Resources()
    for stage in group:
        if stage.name not in counted:
            counted.add(stage.name)
            resources += stage.resources
    own = (*windows, head)
    origin = dict.fromkeys(name for stage in own for name in stage.origin)
    kernels = tuple(stage.kernel.removeprefix("bhc_") for stage in own)
    cycles = max(stage.cycles for stage in own)
    return Box(head.name, kernels, tuple(origin), head.folding, cycles, head.macs, head.memory, resources)


def _followed(stream: str, consumer: dict[str, StageRow]) -> Iterator[tuple[str | None, int]]:
    """Where a stream leads, through what lies on edges: the head stage (None: the output) and the depth of
    FIFOs.
    """
    todo = [(stream, 0)]
    while todo:
        name, fifo = todo.pop(0)
        stage = consumer.get(name)
        if stage is None:
            yield None, fifo
        elif stage.kernel in (*_ON_EDGES, *_WINDOWS):
            todo += [(sink, fifo + (stage.depth or 0)) for sink in stage.sinks]
        else:
            yield stage.name, fifo


def lay_out(report: Report) -> Picture:
    """Rows and lanes: an edge keeps one lane; the first edge out of a box goes on in the box's lane."""
    boxes, edges = _graph(report)
    lanes: list[int | None] = []  # the edge that each lane carries
    lane_of = [0] * len(edges)
    rows: list[Row] = []
    for number, box in enumerate(boxes):
        arriving = [lane for lane, edge in enumerate(lanes) if edge is not None and edges[edge].sink == number]
        for lane in arriving:
            lanes[lane] = None
        passing = tuple(lane for lane, edge in enumerate(lanes) if edge is not None)
        own = arriving[0] if arriving else 0
        leaving = sorted((e for e, edge in enumerate(edges) if edge.source == number), key=lambda e: edges[e].sink)
        forks: list[int] = []
        for position, edge in enumerate(leaving):
            if position == 0:
                lane = own
            else:
                lane = next((i for i, e in enumerate(lanes) if e is None and i > own), len(lanes))
                forks.append(lane)
            lanes += [None] * (lane + 1 - len(lanes))
            lanes[lane] = edge
            lane_of[edge] = lane
        rows.append(Row(box, own, passing, tuple(arriving[1:]), tuple(forks)))
    return Picture(tuple(rows), tuple(edges), tuple(lane_of))


_ASCII = str.maketrans("●│─╮╯┤┼█░▏×", "o|-.'+|#.|x")
_BAR = 10


def _graph_column(row: Row, width: int) -> str:
    """The lanes of a row, two characters each."""
    cells = [" "] * (2 * width)
    for lane in row.passing:
        cells[2 * lane] = "│"
    cells[2 * row.lane] = "●"
    sideways = {*row.joins, *row.forks}
    for place in range(2 * row.lane + 1, 2 * max(sideways, default=0)):
        cells[place] = "┼" if cells[place] == "│" else "─"
    for lane in sideways:
        corner = "┤" if lane in row.joins and lane in row.forks else "╯" if lane in row.joins else "╮"
        cells[2 * lane] = corner
    return "".join(cells)


def terminal(report: Report, *, unicode: bool = True) -> str:
    """The pipeline as a table with the graph at its left; one line a box."""
    picture = lay_out(report)
    width = max((lane + 1 for lane in picture.lanes), default=1)
    table = [["", "stage", "kernel", "PE×SIMD", "cycles", "", "LUT", "BRAM", "output", "FIFO"]]
    for number, row in enumerate(picture.rows):
        box = row.box
        streams = [e.stream for e in picture.edges if e.source == number]
        depth = max((e.fifo for e in picture.edges if e.sink == number), default=0)
        filled = round(_BAR * box.cycles / picture.slowest)
        table.append(
            [
                _graph_column(row, width),
                box.name,
                "+".join(box.kernels),
                f"{box.folding.pe}×{box.folding.simd}" if box.folding else "",
                f"{box.cycles:,}" if box.cycles else "",
                "█" * filled + "░" * (_BAR - filled) if box.cycles else "",
                f"{box.resources.lut:,}" if box.resources.lut else "",
                f"{box.resources.bram:g}" if box.resources.bram else "",
                f"{streams[0].lanes}×{streams[0].bits} bit" if streams else "",
                str(depth) if depth > 2 else "",
            ]
        )
    right = {3, 4, 6, 7, 8, 9}
    sizes = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(
            cell.rjust(size) if i in right else cell.ljust(size)
            for i, (cell, size) in enumerate(zip(line, sizes, strict=True))
        ).rstrip()
        for line in table
    ]
    text = "\n".join(lines)
    return text if unicode else text.translate(_ASCII)
