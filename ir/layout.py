"""Lays a graph out in kernels: which kernels an op becomes, with which parameters, streams and adapters.

Beside each kernel it notes the kernel's process in the timing model, from which bhc.ir.fifos sizes the FIFOs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import lcm
from typing import assert_never

import numpy as np

from bhc.ir import area, delta, profile, timing
from bhc.ir.arithmetic import memory
from bhc.ir.fabric import XC7, Fabric
from bhc.ir.folding import Choice
from bhc.ir.graph import Graph, Node
from bhc.ir.layers import (
    Layer,
    Mode,
    Params,
    dw_params,
    early_windows,
    folds,
    layer_window_params,
    memories,
    mvu_params,
    mvu_stream_params,
    ring_style,
    rom_style,
    shift_params,
    shift_steps,
    window_params,
)
from bhc.ir.ops import Add, Argmax, Concat, Conv, Dense, Frame, Hold, MaxPool, Pad, SumPool, Threshold
from bhc.ir.pipeline import WORD_BITS, External, Folding, Memory, Stage, Stream, Style
from bhc.ir.profile import Profile
from bhc.ir.stream import filling
from bhc.ir.timing import Channel, Factory, Ring
from bhc.ir.types import Kind, Range, Type

#: Cycles from the last word of a row being written to the first word read of a window that needs it.
WINDOW_DELAY = 2
#: Depth of a FIFO that only decouples its ends.
DEFAULT_DEPTH = 2

Network = Callable[[Callable[[str], Channel]], list[Factory]]


@dataclass(frozen=True, slots=True)
class Join:
    """FIFOs whose paths meet.

    links: their input streams. held: beats that each holds while the join takes a pixel from the others.
    """

    links: tuple[str, ...]
    held: tuple[int, ...]


@dataclass(slots=True)
class Layout:
    """Collects streams, stages and, for each, its process of the timing model."""

    #: Names of the graph's values, which names made here must not meet.
    reserved: frozenset[str] = frozenset()
    #: What it is built of.
    fabric: Fabric = XC7
    #: The stream that the host feeds.
    source: str = ""
    #: Windows of input before the first that has a result, if the graph is streamed.
    filling: int | None = None
    streams: dict[str, Stream] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    processes: list[Network] = field(default_factory=list)
    #: Streams that are FIFOs' inputs, with the name of the FIFO's output.
    links: dict[str, str] = field(default_factory=dict)
    joins: list[Join] = field(default_factory=list)
    #: Channels of the value on each link.
    channels: dict[str, int] = field(default_factory=dict)
    #: Streams without a FIFO, whose channel holds the one beat that is being handed over; with their latency.
    direct: dict[str, int] = field(default_factory=dict)
    #: Weights that come from outside.
    external: list[External] = field(default_factory=list)

    def fresh(self, name: str) -> str:
        """A name for a stream or stage that no value, stream or stage has: `name`, or one like it."""
        taken = self.reserved | self.streams.keys() | {stage.name for stage in self.stages}
        while name in taken:
            name += "_"
        return name

    def stream(self, name: str, like: Type, lanes: int, beats: int, value: str | None = None) -> str:
        self.streams[name] = Stream(name, lanes, like.bits, like.kind, beats, value)
        return name

    def stage(
        self,
        name: str,
        kernel: str,
        params: Params,
        sources: tuple[str, ...],
        sinks: tuple[str, ...],
        *,
        node: Node,
        roms: tuple[Memory, ...] = (),
        cycles: int = 0,
        macs: int = 0,
        folding: Folding | None = None,
    ) -> None:
        estimate = area.estimate(kernel, params, roms, self.fabric)
        self.stages.append(
            Stage(
                name,
                kernel,
                params,
                sources,
                sinks,
                roms,
                node.name,
                node.origin,
                cycles,
                macs,
                folding,
                estimate,
            )
        )

    def buffer(self, stream: str, node: Node) -> str:
        """Put a FIFO behind a stream; returns its output. The depth is decided later."""
        source = self.streams[stream]
        out = self.fresh(f"{stream}_q")
        self.channels[stream] = node.type.channels
        self.streams[out] = replace(source, name=out, value=None)
        self.links[stream] = out
        params = {"Width": source.width, "Depth": DEFAULT_DEPTH, "Style": int(Style.LUT)}
        name = self.fresh(f"{stream}_fifo")
        self.stage(name, "bhc_fifo", params, (stream,), (out,), node=node, cycles=source.beats)
        return out

    def join(self, buffered: Sequence[str], pixels: int) -> None:
        """Note that paths meet; the join takes `pixels` of one before it takes any of another."""
        link_of = {out: link for link, out in self.links.items()}
        links = tuple(link_of[name] for name in buffered)
        held = tuple(pixels * (self.channels[name] // self.streams[name].lanes) for name in links)
        self.joins.append(Join(links, held))

    def adapt(self, stream: str, lanes: int, name: str, node: Node) -> str:
        """Change the number of lanes; through the least common multiple where neither divides the other."""
        have = self.streams[stream].lanes
        if have == lanes:
            return stream
        middle = lcm(have, lanes)
        for step, width in enumerate(w for w in (middle, lanes) if w != have):
            if width == self.streams[stream].lanes:
                continue
            stream = self._width(stream, width, f"{name}_width{step or ''}", node)
        return stream

    def _width(self, stream: str, lanes: int, name: str, node: Node) -> str:
        name = self.fresh(name)
        source = self.streams[stream]
        elements = source.lanes * source.beats
        self.streams[name] = replace(source, name=name, lanes=lanes, beats=elements // lanes, value=None)
        params = {"Bits": source.bits, "InLanes": source.lanes, "OutLanes": lanes}
        beats = max(source.beats, elements // lanes)
        self.stage(name, "bhc_width", params, (stream,), (name,), node=node, cycles=beats)
        if lanes > source.lanes:
            ratio = lanes // source.lanes
            self.processes.append(lambda ch: [timing.widen(ch(stream), ch(name), source.beats, ratio)])
        else:
            ratio = source.lanes // lanes
            self.processes.append(lambda ch: [timing.narrow(ch(stream), ch(name), source.beats, ratio)])
        self.direct[name] = 0
        return name


@dataclass(slots=True)
class Placer:
    """Walks the graph and lays out kernels."""

    graph: Graph
    layers: Mapping[str, Layer]
    choices: Mapping[str, Choice]
    #: What changes, for the layers that skip it.
    profile: Profile | None = None
    layout: Layout = field(default_factory=Layout)
    #: For each value, the streams that its readers have yet to take, already buffered.
    waiting: dict[str, list[str]] = field(default_factory=dict)

    def run(self) -> None:
        types = self.graph.types()
        source = self.graph.inputs[0]
        lanes = self._wanted_lanes(source.name, types[source.name])
        self.layout.reserved = frozenset(types)
        self.layout.source = self.layout.fresh("in")
        self.layout.filling = filling(self.graph)
        self.layout.stream(self.layout.source, source.type, lanes, source.type.elements // lanes, source.name)
        self._publish(self.layout.source, Node(source.name, Add(), (), source.type, (source.name,)))
        folded = {item.result.name for item in self.layers.values() if item.result is not item.node}
        for node in self.graph.nodes:
            if node.name in self.layers:
                self._compute(self.layers[node.name], self.choices[node.name])
            elif node.name not in folded:
                self._publish(self._plain(node, types), node)

    def _wanted_lanes(self, value: str, value_type: Type) -> int:
        """Lanes of the input: what its first reader takes."""
        readers = self.graph.users()[value]
        for name in readers:
            if name in self.choices:
                return self.choices[name].lanes
        return value_type.channels

    def _publish(self, stream: str, node: Node) -> None:
        """Buffer a value's stream, once for each reader."""
        layout = self.layout
        count = len(self.graph.users()[node.name]) + (node.name in self.graph.outputs)
        if count == 1:
            self.waiting[node.name] = [layout.buffer(stream, node)]
            return
        source = layout.streams[stream]
        branches = tuple(layout.fresh(f"{stream}_{index}") for index in range(count))
        for branch in branches:
            layout.streams[branch] = replace(source, name=branch, value=None)
        params = {"Width": source.width, "Sinks": count}
        fork = layout.fresh(f"{stream}_fork")
        layout.stage(fork, "bhc_fork", params, (stream,), branches, node=node, cycles=source.beats)
        layout.direct[stream] = 0
        layout.processes.append(lambda ch: [timing.fork(ch(stream), tuple(ch(b) for b in branches), source.beats)])
        self.waiting[node.name] = [layout.buffer(branch, node) for branch in branches]

    def take(self, value: str) -> str:
        """The next reader's stream of a value."""
        return self.waiting[value].pop(0)

    # Compute layers

    def _compute(self, item: Layer, choice: Choice) -> None:
        layout, node, name = self.layout, item.node, item.node.name
        m = item.weights.shape[0]
        positions = item.positions[0] * item.positions[1]
        inp = layout.adapt(self.take(node.inputs[0]), choice.lanes, f"{name}_in", node)
        pe = choice.folding.pe
        out = layout.stream(name, item.result.type, pe, positions * m // pe, item.result.name)
        if choice.mode == Mode.DELTA:
            self._skipping(item, choice, inp, out)
            self._publish(out, item.result)
            return
        if choice.external:
            self._streaming(item, choice, inp, out)
            self._publish(out, item.result)
            return
        unit = partial(
            layout.stage,
            name,
            node=replace(node, name=item.result.name, origin=self._origin(item)),
            roms=memories(item, choice.mode, choice.folding, choice.style),
            cycles=choice.cycles,
            macs=item.macs,
            folding=choice.folding,
        )
        if choice.mode == Mode.DEPTHWISE:
            nf, sf = m // pe, item.taps
            kernel, params, latency = "bhc_dw", dw_params(item, choice.folding), 2
        else:
            nf, sf = folds(item, choice.folding)
            kernel, params = "bhc_mvu", mvu_params(item, choice.mode, choice.folding)
            latency = 2 + params["DotStages"]
        window = layout.fresh(f"{name}_window")
        match choice.mode:
            case Mode.STATIONARY:
                unit(kernel, params, (inp,), (out,))
                layout.processes.append(lambda ch: [timing.matrix_vector(ch(inp), ch(out), positions, sf, nf, latency)])
            case Mode.SHIFT:
                layout.stream(window, item.x, item.x.channels * item.taps, positions)
                steps = shift_steps(item)
                layout.stage(window, "bhc_shift", shift_params(item), (inp,), (window,), node=node, cycles=len(steps))
                unit(kernel, params, (window,), (out,))
                early = early_windows(item)
                layout.processes.append(lambda ch: [timing.shifter(ch(inp), ch(out), steps, nf, latency, early)])
            case Mode.RING | Mode.DEPTHWISE if not (item.pointwise and item.depthwise):
                ring = layer_window_params(item, choice.mode, choice.folding)
                self._window(node, ring, inp, item.x, window, out, nf, sf, latency)
                unit(kernel, params, (window,), (out,))
            case _:  # depthwise, a pixel at a time: no window
                unit(kernel, params, (inp,), (out,))
                layout.processes.append(
                    lambda ch: [timing.elementwise((ch(inp),), (ch(out),), positions * nf, latency)]
                )
        self._publish(out, item.result)

    def _streaming(self, item: Layer, choice: Choice, inp: str, out: str) -> None:
        """A layer whose weights come from outside."""
        layout, name = self.layout, item.node.name
        weights, *roms = memories(item, choice.mode, choice.folding, choice.style)
        positions = item.positions[0] * item.positions[1]
        operand = item.w_operand
        words = layout.fresh(f"{name}_weights")
        beats = positions * weights.depth
        layout.streams[words] = Stream(words, WORD_BITS // operand.bits, operand.bits, operand.kind, beats)
        layout.external.append(External(words, weights))
        params = mvu_stream_params(item, choice.folding)
        layout.stage(
            name,
            "bhc_mvu_stream",
            params,
            (inp, words),
            (out,),
            node=replace(item.node, name=item.result.name, origin=self._origin(item)),
            roms=tuple(roms),
            cycles=beats,
            macs=item.macs,
            folding=choice.folding,
        )
        nf, sf = folds(item, choice.folding)
        latency = 2 + params["DotStages"]
        layout.processes.append(lambda ch: [timing.matrix_vector(ch(inp), ch(out), positions, sf, nf, latency)])

    def _skipping(self, item: Layer, choice: Choice, inp: str, out: str) -> None:
        """A layer that adds what changes."""
        assert self.profile is not None
        name, folding = item.node.name, choice.folding
        columns = delta.columns(item)
        p = delta.params(item, pe=folding.pe, events=folding.simd, lanes=choice.lanes, columns=columns)
        self.layout.stage(
            name,
            "bhc_delta",
            p,
            (inp,),
            (out,),
            node=replace(item.node, name=item.result.name, origin=self._origin(item)),
            roms=delta.memories(item, p),
            cycles=choice.cycles,
            macs=item.macs,
            folding=folding,
        )
        skips = delta.skips(
            self.profile.changed[name],
            delta.geometry(item, columns),
            lanes=choice.lanes,
            width=folding.simd,
            columns=profile.per_unit(item),
        )
        latency = delta.LATENCY + delta.product_register(p)

        def network(ch: Callable[[str], Channel]) -> list[Factory]:
            full, over = Channel(f"{name}.columns", None, 0), Channel(f"{name}.over", None, 1)
            return [
                timing.delta_writer(ch(inp), full, over, skips),
                timing.delta_reader(full, over, ch(out), skips, p["Nf"], latency),
            ]

        self.layout.processes.append(network)

    @staticmethod
    def _origin(item: Layer) -> tuple[str, ...]:
        extra = () if item.result is item.node else item.result.origin
        return (*item.node.origin, *(name for name in extra if name not in item.node.origin))

    def _window(
        self,
        node: Node,
        params: Params,
        inp: str,
        x: Type,
        window: str,
        out: str,
        results: int,
        interval: int,
        latency: int,
    ) -> None:
        """A ring buffer, and the process of it and of the kernel behind it."""
        reads = window_images(params, x) * params["OH"] * params["OW"] * results * interval
        self.layout.stream(window, x, params["Lanes"], reads)
        self._ring(node, params, inp, window, out, results, interval, latency)

    def _ring(
        self, node: Node, params: Params, inp: str, window: str, out: str, results: int, interval: int, latency: int
    ) -> None:
        """A ring buffer that makes the stream `window`; with the process that makes the stream `out` of it."""
        layout = self.layout
        x = self.graph.types()[node.inputs[0]]
        layout.stage(window, "bhc_window", params, (inp,), (window,), node=node, cycles=layout.streams[window].beats)
        ring = ring_of(params, window_images(params, x))

        def network(ch: Callable[[str], Channel]) -> list[Factory]:
            full = Channel(f"{window}.rows", None, WINDOW_DELAY)
            free = Channel(f"{window}.free", None, 1)
            return [
                timing.ring_writer(ch(inp), full, free, ring),
                timing.ring_reader(full, free, ch(out), ring, params["OW"], results, interval, latency),
            ]

        layout.processes.append(network)

    # Everything else

    def _plain(self, node: Node, types: Mapping[str, Type]) -> str:
        """Lay out an op that is not a compute layer; returns its output stream."""
        layout, name, op = self.layout, node.name, node.op
        x = types[node.inputs[0]]
        height, width, _ = x.image
        streams = [self.take(value) for value in node.inputs]
        inp = streams[0]
        lanes = layout.streams[inp].lanes
        beats = layout.streams[inp].beats
        chunks = x.channels // lanes
        match op:
            case Threshold():
                out = layout.stream(name, node.type, lanes, beats, name)
                params, roms = threshold(op, x, lanes, layout.fabric)
                latency = params["Stages"] + 1
                layout.stage(name, "bhc_threshold", params, (inp,), (out,), node=node, roms=roms, cycles=beats)
                layout.processes.append(lambda ch: [timing.elementwise((ch(inp),), (ch(out),), beats, latency)])
            case MaxPool() | SumPool():
                out = self._pool(node, op, x, inp)
            case Hold():
                out = layout.stream(name, node.type, lanes, beats, name)
                params = hold_params(op, x, lanes)
                layout.stage(name, "bhc_hold", params, (inp,), (out,), node=node, cycles=beats)
                layout.processes.append(lambda ch: [timing.elementwise((ch(inp),), (ch(out),), beats, 1)])
            case Add():
                layout.join(streams, 0)
                lanes = lcm(lanes, layout.streams[streams[1]].lanes)
                a, b = (layout.adapt(s, lanes, f"{name}_{port}", node) for s, port in zip(streams, "ab", strict=True))
                beats = x.elements // lanes
                out = layout.stream(name, node.type, lanes, beats, name)
                params = {
                    "Lanes": lanes,
                    **_two_operands(x, types[node.inputs[1]]),
                    "OutBits": node.type.bits,
                }
                layout.stage(name, "bhc_add", params, (a, b), (out,), node=node, cycles=beats)
                layout.processes.append(lambda ch: [timing.elementwise((ch(a), ch(b)), (ch(out),), beats, 1)])
            case Concat():
                out = self._concat(node, streams, types)
            case Pad():
                pads = op.pads
                out = layout.stream(name, node.type, lanes, node.type.elements // lanes, name)
                word = (op.value + 1) // 2 if x.bipolar else op.value & ((1 << x.bits) - 1)
                params = {
                    "Bits": x.bits,
                    "Lanes": lanes,
                    "Chunks": chunks,
                    "H": height,
                    "W": width,
                    "PT": pads.top,
                    "PB": pads.bottom,
                    "PL": pads.left,
                    "PR": pads.right,
                    "Word": word,
                }
                layout.stage(name, "bhc_pad", params, (inp,), (out,), node=node, cycles=node.type.elements // lanes)
                counts = _pad_counts(op, x, chunks)
                layout.processes.append(lambda ch: [timing.gather(ch(inp), ch(out), lambda: iter(counts), 1)])
            case Argmax():
                out = layout.stream(name, node.type, 1, 1, name)
                params = {
                    "Bits": x.bits,
                    "Kind": int(x.kind),
                    "Lanes": lanes,
                    "Chunks": beats,
                    "OutBits": node.type.bits,
                }
                layout.stage(name, "bhc_argmax", params, (inp,), (out,), node=node, cycles=beats)
                layout.processes.append(lambda ch: [timing.gather(ch(inp), ch(out), lambda: iter(((beats, 1),)), 1)])
            case Frame():
                out = layout.stream(name, node.type, lanes, node.type.elements // lanes, name)
                params = frame_params(op, x, lanes, layout.fabric)
                self._ring(node, params, inp, out, out, node.type.elements // lanes, 1, 0)
            case Conv() | Dense():
                raise AssertionError(f"{name} is a compute layer")
            case _:
                assert_never(op)
        return out

    def _pool(self, node: Node, op: MaxPool | SumPool, x: Type, inp: str) -> str:
        """A pool with disjoint windows works on the stream; any other reads its windows from a ring
        buffer.
        """
        layout, name = self.layout, node.name
        lanes = layout.streams[inp].lanes
        chunks = x.channels // lanes
        height, width, _ = x.image
        oh, ow, _ = node.type.image
        if isinstance(op, SumPool) and op.endless and op.stride != op.kernel and width == 1:
            return self._slide(node, op, x, inp)
        maximum = isinstance(op, MaxPool)
        disjoint = op.stride == op.kernel and not op.pads and op.dilation == (1, 1)
        simple = disjoint or (op.kernel == (height, width) and not op.pads and not op.endless)
        if not simple:
            # Reading a window takes a beat a tap: so many lanes that it takes no longer than the pixels take to come.
            lanes = _lanes_to_keep_up(x, lanes, oh * ow * op.kernel[0] * op.kernel[1])
            inp = layout.adapt(inp, lanes, f"{name}_in", node)
            chunks = x.channels // lanes
        out = layout.stream(name, node.type, lanes, node.type.elements // lanes, name)
        common = {"Bits": x.bits, "Kind": int(x.kind), "Lanes": lanes, "Chunks": chunks}
        tail = {"Op": int(not maximum), "OutBits": node.type.bits}
        if simple:
            params = {**common, "H": height, "W": width, "KH": op.kernel[0], "KW": op.kernel[1], **tail}
            layout.stage(name, "bhc_pool", params, (inp,), (out,), node=node, cycles=x.elements // lanes)
            counts = _pool_counts((height, width), op.kernel, (oh, ow), chunks)
            layout.processes.append(lambda ch: [timing.gather(ch(inp), ch(out), lambda: iter(counts), 1)])
            return out
        if op.pads and x.bipolar and not maximum:
            raise AssertionError(f"{name} pads bipolar values with zeros: passes.padded_sums_of_bipolar has not run")
        pad_word = 0
        if maximum and not x.bipolar:
            pad_word = x.range.lo & ((1 << x.bits) - 1)
        taps = op.kernel[0] * op.kernel[1]
        ring = window_params(
            x, op, lanes=lanes, groups=1, replays=1, chunk_major=True, pad_word=pad_word, fabric=layout.fabric
        )
        # Chunk-major windows: each chunk is a pool of its own over the taps, so the pool sees one chunk.
        reads = oh * ow * chunks * taps
        window = layout.fresh(f"{name}_window")
        self._window(node, ring, inp, x, window, out, chunks, taps, 1)
        params = {**common, "Chunks": 1, "H": oh * ow * chunks * taps, "W": 1, "KH": taps, "KW": 1, **tail}
        layout.stage(name, "bhc_pool", params, (window,), (out,), node=node, cycles=reads)
        return out

    def _slide(self, node: Node, op: SumPool, x: Type, inp: str) -> str:
        """A sum over many rows that moves by few."""
        layout, name = self.layout, node.name
        lanes = layout.streams[inp].lanes
        chunks = x.channels // lanes
        out = layout.stream(name, node.type, lanes, node.type.elements // lanes, name)
        params = {
            "Bits": x.bits,
            "Kind": int(x.kind),
            "Lanes": lanes,
            "Chunks": chunks,
            "Rows": op.kernel[0],
            "D": op.dilation[0],
            "Stride": op.stride[0],
            "OutBits": node.type.bits,
        }
        layout.stage(name, "bhc_slide", params, (inp,), (out,), node=node, cycles=x.elements // lanes)
        first, rows = (op.kernel[0] - 1) * op.dilation[0], x.image[0]
        layout.processes.append(lambda ch: [timing.slide(ch(inp), ch(out), rows, chunks, first, op.stride[0])])
        return out

    def _concat(self, node: Node, streams: list[str], types: Mapping[str, Type]) -> str:
        """Pairwise, from the left."""
        layout, name = self.layout, node.name
        left, left_type = streams[0], types[node.inputs[0]]
        for index, (stream, value) in enumerate(zip(streams[1:], node.inputs[1:], strict=True), start=1):
            right_type = types[value]
            last = index == len(streams) - 1
            channels = left_type.channels + right_type.channels
            joint = node.type if last else Type((*node.type.shape[:-1], channels), node.type.range, node.type.bipolar)
            layout.join([left, stream], 1)
            lanes = _common_lanes(layout.streams[left].lanes, layout.streams[stream].lanes, left_type, right_type)
            a = layout.adapt(left, lanes, f"{name}_{index}a", node)
            b = layout.adapt(stream, lanes, f"{name}_{index}b", node)
            out = layout.stream(
                name if last else layout.fresh(f"{name}_{index}"),
                joint,
                lanes,
                joint.elements // lanes,
                name if last else None,
            )
            counts = (left_type.channels // lanes, right_type.channels // lanes)
            params = {
                "Lanes": lanes,
                **_two_operands(left_type, right_type),
                "OutBits": joint.bits,
                "AChunks": counts[0],
                "BChunks": counts[1],
            }
            beats = joint.elements // lanes
            layout.stage(out, "bhc_concat", params, (a, b), (out,), node=node, cycles=beats)
            self._interleave(a, b, out, joint, counts)
            left, left_type = out if last else layout.buffer(out, node), joint
        return left

    def _interleave(self, a: str, b: str, out: str, joint: Type, counts: tuple[int, int]) -> None:
        pixels = joint.elements // joint.channels
        self.layout.processes.append(lambda ch: [timing.interleave(ch(a), ch(b), ch(out), pixels, counts, 1)])


def _lanes_to_keep_up(x: Type, lanes: int, reads: int) -> int:
    """The fewest lanes, a multiple of those that a value comes with, at which `reads` pixels take no longer than it."""
    beats = x.elements // lanes
    able = [d for d in range(lanes, x.channels + 1, lanes) if x.channels % d == 0]
    return next((d for d in able if reads * (x.channels // d) <= beats), able[-1])


def _two_operands(a: Type, b: Type) -> Params:
    return {"ABits": a.bits, "AKind": int(a.kind), "BBits": b.bits, "BKind": int(b.kind)}


def _common_lanes(a: int, b: int, left: Type, right: Type) -> int:
    """The most lanes, up to the wider operand's, that divide both channel counts."""
    return max(d for d in range(1, max(a, b) + 1) if left.channels % d == 0 and right.channels % d == 0)


def hold_params(op: Hold, x: Type, lanes: int) -> Params:
    """Parameters of a bhc_hold. On the wire -1 is 0 and +1 is 1: a bipolar value is unsigned there, in steps of two."""
    height, width, channels = x.image
    return {
        "Bits": x.bits,
        "Kind": int(Kind.UNSIGNED if x.bipolar else x.kind),
        "Lanes": lanes,
        "Chunks": width * channels // lanes,
        "Rows": height,
        "Threshold": min(op.threshold // (2 if x.bipolar else 1), (1 << x.bits) - 1),
    }


def frame_params(op: Frame, x: Type, lanes: int, fabric: Fabric = XC7) -> Params:
    """Parameters of the bhc_window that reads overlapping windows, row by row."""
    _, width, channels = x.image
    rows = (op.rows - 1) * op.dilation + 1 + op.stride
    words = rows * width * channels // lanes
    return {
        "Bits": x.bits,
        "Lanes": lanes,
        "Chunks": channels // lanes,
        "Groups": 1,
        "H": op.stride,
        "W": width,
        "KH": op.rows,
        "KW": width,
        "SH": op.stride,
        "SW": 1,
        "DH": op.dilation,
        "DW": 1,
        "PT": 0,
        "PL": 0,
        "OH": 1,
        "OW": 1,
        "Replays": 1,
        "ChunkMajor": 0,
        "Rows": rows,
        "Endless": 1,
        "PadWord": 0,
        "Style": int(ring_style(words, lanes * x.bits, fabric)),
    }


def window_images(params: Params, x: Type) -> int:
    """Images that a bhc_window sees of a value: an endless one has as many as there are window rows."""
    return x.image[0] // params["H"] if params["Endless"] else 1


def ring_of(params: Params, images: int) -> Ring:
    """What the timing model needs to know of a bhc_window that sees so many images a window."""
    height, span = params["H"], (params["KH"] - 1) * params["DH"] + 1
    row_beats = params["W"] * params["Groups"] * params["Chunks"]
    if params["Endless"]:
        return Ring(height, row_beats, params["Rows"], (span,), (height,), images)
    tops = [oh * params["SH"] - params["PT"] for oh in range(params["OH"])]
    needed = [min(max(top + span, 0), height) for top in tops]
    released = [max(min(top, height), 0) for top in tops[1:]] + [height]
    return Ring(height, row_beats, params["Rows"], tuple(needed), tuple(released))


def _pool_counts(
    image: tuple[int, int], kernel: tuple[int, int], out: tuple[int, int], chunks: int
) -> list[tuple[int, int]]:
    """(beats taken, beats made) of a pool on disjoint windows, in order."""
    counts: list[tuple[int, int]] = []
    silent = 0
    for row in range(image[0]):
        for column in range(image[1]):
            done = (
                row % kernel[0] == kernel[0] - 1
                and column % kernel[1] == kernel[1] - 1
                and row // kernel[0] < out[0]
                and column // kernel[1] < out[1]
            )
            if not done:
                silent += chunks
                continue
            counts.append((silent + 1, 1))
            counts += [(1, 1)] * (chunks - 1)
            silent = 0
    if silent:
        counts.append((silent, 0))
    return counts


def _pad_counts(op: Pad, x: Type, chunks: int) -> list[tuple[int, int]]:
    """(beats taken, beats made) of a padding, in order."""
    height, width, _ = x.image
    row = width + op.pads.left + op.pads.right
    counts = [(0, 1)] * (op.pads.top * row * chunks)
    for _ in range(height):
        counts += [(0, 1)] * (op.pads.left * chunks) + [(1, 1)] * (width * chunks) + [(0, 1)] * (op.pads.right * chunks)
    return counts + [(0, 1)] * (op.pads.bottom * row * chunks)


def threshold(op: Threshold, x: Type, lanes: int, fabric: Fabric = XC7) -> tuple[Params, tuple[Memory, ...]]:
    """Parameters and memories of a bhc_threshold: a balanced search tree over 2^Stages - 1 thresholds a
    channel.
    """
    channels = op.thresholds.shape[0]
    chunks = channels // lanes if channels > 1 else 1
    in_bits, in_kind = x.bits, x.kind
    thresholds = np.clip(op.thresholds, x.range.lo, x.range.hi + 1)
    if x.bipolar:
        # On the wire -1 is 0 and +1 is 1.
        thresholds, in_kind = (thresholds + 2) >> 1, Kind.UNSIGNED
    signed = in_kind == Kind.SIGNED
    always = -(1 << in_bits) if signed else 0
    never = (1 << in_bits) - 1 if signed else (1 << (in_bits + 1)) - 1
    stages = op.levels.bit_length()
    spare = (1 << stages) - 1 - op.levels
    filler = np.full((channels, spare), 0, np.int64)
    ascending = np.concatenate([thresholds, filler + never], axis=1)
    descending = np.concatenate([filler + always, thresholds], axis=1)
    table = np.where(op.descending[:, None], descending, ascending)
    if channels == 1:
        table = np.repeat(table, lanes, axis=0)
    table = table.reshape(chunks, lanes, -1).transpose(0, 2, 1)
    levels = [
        table[:, (1 << (stages - level - 1)) - 1 :: 1 << (stages - level)].reshape(chunks << level, lanes)
        for level in range(stages)
    ]
    turned = np.broadcast_to(op.descending, (channels,)).astype(np.int64)
    turned = (np.repeat(turned, lanes) if channels == 1 else turned).reshape(chunks, lanes)
    if chunks == 1:
        flat = np.concatenate([level.reshape(-1) for level in levels]).reshape(1, -1)
        roms = [memory("thresholds", flat, in_bits + 1, Style.LUT)]
    else:
        style = rom_style(chunks << (stages - 1), in_bits + 1, fabric)
        roms = [memory(f"thresholds_{i}", words, in_bits + 1, style) for i, words in enumerate(levels)]
    if op.descending.any():
        roms.append(memory("descending", turned, 1, Style.LUT))
    params = {
        "Lanes": lanes,
        "Chunks": chunks,
        "InBits": in_bits,
        "InKind": int(in_kind),
        "Stages": stages,
        "OutBits": 1 if op.bipolar else Type((1,), _output_range(op)).bits,
        "Base": 0 if op.bipolar else op.base,
        "AnyDescending": int(bool(op.descending.any())),
    }
    return params, tuple(roms)


def _output_range(op: Threshold) -> Range:
    return Range(op.base, op.base + op.levels)
