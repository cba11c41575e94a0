"""Compute layers, and the kernel parameters that follow from how a layer is folded.

A layer is a Conv or Dense node with the one-level threshold that is folded into its bias, if any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from bhc.ir.arithmetic import (
    Accumulator,
    Operand,
    accumulator,
    activation_operand,
    border_classes,
    memory,
    weight_operand,
)
from bhc.ir.fabric import XC7, Fabric
from bhc.ir.graph import Graph, Node
from bhc.ir.ops import Conv, Dense, IntArray, MaxPool, SumPool, Threshold, windows
from bhc.ir.pipeline import WORD_BITS, Folding, Memory, Style
from bhc.ir.types import Kind, Type

Params = dict[str, int]


class Mode(Enum):
    """How the operands reach the multipliers.

    RING: windows read sequentially, and again for every fold, from a ring buffer of rows.
    SHIFT: the whole window in registers.
    STATIONARY: no window; each beat is held while it is added to all outputs (dense layers, 1x1
    convolutions). DEPTHWISE: windows read tap by tap, every lane a channel with a filter of its own.
    DELTA: accumulators are kept, and what changes is added (bhc.ir.delta); a folding's simd is then the changes at
    once.
    """

    RING = "ring"
    SHIFT = "shift"
    STATIONARY = "stationary"
    DEPTHWISE = "depthwise"
    DELTA = "delta"


@dataclass(frozen=True, eq=False, slots=True)
class Layer:
    """A compute layer: the node, what it reads, and its accumulator with the threshold folded in.

    weights: (M, KH, KW, C / groups); a dense layer is (M, 1, 1, K).
    positions: (OH, OW). result: the node whose value leaves the layer. fabric: what it is built of.
    """

    node: Node
    result: Node
    x: Type
    weights: IntArray
    positions: tuple[int, int]
    accumulator: Accumulator
    x_operand: Operand
    w_operand: Operand
    fabric: Fabric = XC7

    @property
    def groups(self) -> int:
        return self.node.op.groups if isinstance(self.node.op, Conv) else 1

    @property
    def depthwise(self) -> bool:
        return self.groups == self.x.channels == self.weights.shape[0] and isinstance(self.node.op, Conv)

    @property
    def taps(self) -> int:
        return int(self.weights.shape[1] * self.weights.shape[2])

    @property
    def pointwise(self) -> bool:
        """Every position reads one pixel, each pixel once."""
        if isinstance(self.node.op, Dense):
            return True
        op = self.node.op
        return isinstance(op, Conv) and op.kernel == (1, 1) and op.stride == (1, 1) and not op.pads

    @property
    def ringable(self) -> bool:
        """bhc_window can read it: no window begins below the image."""
        op = self.node.op
        if not isinstance(op, Conv):
            return False
        return op.endless or (self.positions[0] - 1) * op.stride[0] - op.pads.top <= self.x.image[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates a window, taps on the padding included."""
        return self.positions[0] * self.positions[1] * int(self.weights.size)


def layer(graph: Graph, node: Node, fused: Node | None, fabric: Fabric = XC7) -> Layer:
    """Describe a Conv or Dense node, and the one-level ascending threshold folded into it."""
    types = graph.types()
    x = types[node.inputs[0]]
    masks: NDArray[np.bool_] | None = None
    position_class: NDArray[np.int64] | None = None
    match node.op:
        case Conv() as op:
            weights, positions = op.weights, windows(x.image, op)
            if op.pads:
                # An endless image has borders at its sides only.
                rows = (positions[0] - 1) * op.stride[0] + (op.kernel[0] - 1) * op.dilation[0] + 1
                image = (rows, *x.image[1:]) if op.endless else x.image
                masks, position_class = border_classes(image, op.kernel, op.stride, op.dilation, op.pads, positions)
        case Dense() as op:
            weights, positions = op.weights.reshape(op.weights.shape[0], 1, 1, -1), (1, 1)
        case _:
            raise TypeError(f"{node.name} is not a compute layer")
    depthwise = isinstance(op, Conv) and op.groups == x.channels == weights.shape[0]
    thresholds = None
    if fused is not None and isinstance(fused.op, Threshold):
        reachable = np.clip(fused.op.thresholds[:, 0], node.type.range.lo, node.type.range.hi + 1)
        thresholds = np.broadcast_to(reachable, (weights.shape[0],))
    total = accumulator(
        weights,
        x,
        masks=masks,
        position_class=position_class,
        thresholds=thresholds,
        counted=not depthwise,
    )
    operands = activation_operand(x), weight_operand(weights)
    return Layer(node, fused or node, x, weights, positions, total, *operands, fabric)


def foldable(graph: Graph, node: Node, users: Mapping[str, tuple[str, ...]]) -> Node | None:
    """The threshold that can be folded into a compute node: its only user, one level, ascending, of 0 and 1
    or bipolar.
    """
    if len(users[node.name]) != 1 or node.name in graph.outputs:
        return None
    user = next(n for n in graph.nodes if n.name == users[node.name][0])
    op = user.op
    if isinstance(op, Threshold) and op.levels == 1 and op.base == 0 and not op.descending.any():
        return user
    return None


def compute_layers(graph: Graph, fabric: Fabric = XC7) -> dict[str, Layer]:
    """All compute layers of a graph, by node name, with the thresholds that are folded into them."""
    users = graph.users()
    return {
        node.name: layer(graph, node, foldable(graph, node, users), fabric)
        for node in graph.nodes
        if isinstance(node.op, Conv | Dense)
    }


def _axis_steps(size: int, count: int, kernel: int, stride: int, dilation: int, before: int) -> list[tuple[bool, bool]]:
    """Along one axis, what bhc_shift does in each step: (walks over a pixel, ends a window).

    The padding between two images is walked over once; it ends one and begins the next.
    """
    span = (kernel - 1) * dilation + 1
    lead = max(0, before - span + 1)
    after = max(0, (count - 1) * stride + span - before - size)
    tail = max(before - lead, after)
    ends = {index * stride + span - 1 - before for index in range(count)}
    return [(0 <= step < size, step in ends) for step in range(-lead, size + tail)]


def shift_steps(item: Layer) -> tuple[tuple[bool, bool], ...]:
    """What bhc_shift does in each step of a window: (takes a pixel, makes a window)."""
    op = item.node.op
    assert isinstance(op, Conv)
    height, width, _ = item.x.image
    if op.endless:
        end = (op.kernel[0] - 1) * op.dilation[0] % op.stride[0]
        rows = [(True, row % op.stride[0] == end) for row in range(height)]
    else:
        rows = _axis_steps(height, item.positions[0], op.kernel[0], op.stride[0], op.dilation[0], op.pads.top)
    columns = _axis_steps(width, item.positions[1], op.kernel[1], op.stride[1], op.dilation[1], op.pads.left)
    return tuple(
        (row_pixel and column_pixel, row_end and column_end)
        for row_pixel, row_end in rows
        for column_pixel, column_end in columns
    )


def early_windows(item: Layer) -> int:
    """Windows that bhc_shift leaves out when an endless image begins."""
    op = item.node.op
    assert isinstance(op, Conv)
    return (op.kernel[0] - 1) * op.dilation[0] // op.stride[0] * item.positions[1] if op.endless else 0


def shift_gaps(item: Layer) -> tuple[int, ...]:
    """Steps of bhc_shift from each window to the next, windows of the next image included."""
    steps = shift_steps(item)
    makes = [index for index, (_, made) in enumerate(steps) if made]
    return tuple(b - a for a, b in zip(makes, [*makes[1:], makes[0] + len(steps)], strict=True))


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a memory, before its contents are packed."""

    name: str
    depth: int
    width: int
    style: Style


def weight_styles(depth: int, width: int, fabric: Fabric = XC7) -> tuple[Style, ...]:
    """Where weights may live. A table of up to eight words melts into the products (see rtl/bhc_rom.sv)."""
    if depth <= fabric.weights.words:
        return (Style.LUT,)
    return (Style.BLOCK, Style.LUT) if depth <= 1024 and fabric.weights.holds(depth, width) else (Style.BLOCK,)


def _style(in_luts: bool) -> Style:
    return Style.LUT if in_luts else Style.BLOCK


def rom_style(depth: int, width: int, fabric: Fabric = XC7) -> Style:
    """Where another table lives: in LUTs if it is small."""
    return _style(fabric.table.holds(depth, width))


def ring_style(words: int, width: int, fabric: Fabric = XC7) -> Style:
    """Where the rows of an image live."""
    return _style(fabric.ring.holds(words, width))


def fifo_style(depth: int, width: int, fabric: Fabric = XC7) -> Style:
    """Where a FIFO's beats live."""
    return _style(fabric.fifo.holds(depth, width))


def dot_stages(terms: int) -> int:
    """Pipeline registers in a dot product over so many bits."""
    if terms <= 12:
        return 0
    return 1 if terms <= 128 else 2


def shared_group(x: Operand, w: Operand, folding: Folding, *, constant: bool) -> int:
    """Elements whose signed sums the rows of a bhc_mvu share, where that saves LUTs (docs/kernels.md); 1 for none.

    constant: each row has the same weights in every cycle.
    """
    simd, pe, bits = folding.simd, folding.pe, x.bits
    if w.kind != Kind.BIPOLAR:
        return 1
    if constant and bits == 1:
        return 3 if simd >= 12 and pe >= 8 else 1
    if constant and simd >= 12 and pe * bits > 8 * bits + 8:
        return 4
    if constant:
        return 2 if simd >= 12 and pe * (bits - 1) > 2 * bits else 1
    return 2 if bits > 2 and simd >= 6 and pe * (bits - 2) > (4 if simd < 12 else 2) * bits else 1


def _out_bits(item: Layer) -> int:
    return 1 if item.accumulator.sign_out else item.result.type.bits


def folds(item: Layer, folding: Folding) -> tuple[int, int]:
    """(nf, sf): outputs of a position in turns, and beats of a dot product."""
    m, _, _, c_group = item.weights.shape
    return m // folding.pe, item.taps * c_group // folding.simd


def mvu_params(item: Layer, mode: Mode, folding: Folding) -> Params:
    """Parameters of bhc_mvu."""
    nf, sf = folds(item, folding)
    x, w = item.x_operand, item.w_operand
    total = item.accumulator
    return {
        "XBits": x.bits,
        "XKind": int(x.kind),
        "WBits": w.bits,
        "WKind": int(w.kind),
        "Simd": folding.simd,
        "Pe": folding.pe,
        "Sf": sf,
        "Nf": nf,
        "InputStationary": int(mode in (Mode.STATIONARY, Mode.SHIFT)),
        "Positions": item.positions[0] * item.positions[1],
        "Classes": total.bias.shape[0],
        "AccBits": total.bits,
        "Shift": total.shift,
        "SignOut": int(total.sign_out),
        "OutBits": _out_bits(item),
        "DotStages": dot_stages(folding.simd * x.bits * w.bits),
        "Group": shared_group(x, w, folding, constant=nf * sf == 1),
    }


def mvu_stream_params(item: Layer, folding: Folding) -> Params:
    """Parameters of bhc_mvu_stream."""
    params = mvu_params(item, Mode.STATIONARY, folding)
    return {
        key: value for key, value in params.items() if key not in ("InputStationary", "Positions", "Classes", "Group")
    }


def external_foldings(item: Layer) -> tuple[Folding, ...]:
    """Foldings in which a layer can take a word of external weights a cycle; none for a layer that keeps windows, since
    that would need all weights again for each.
    """
    m, _, _, terms = item.weights.shape
    if not item.pointwise or item.groups > 1:
        return ()
    products, rest = divmod(WORD_BITS, item.w_operand.bits)
    if rest:
        return ()
    pairs = ((pe, products // pe) for pe in range(1, products + 1) if products % pe == 0)
    return tuple(Folding(pe, simd) for pe, simd in pairs if m % pe == 0 and terms % simd == 0)


def dw_params(item: Layer, folding: Folding) -> Params:
    """Parameters of bhc_dw."""
    x, w = item.x_operand, item.w_operand
    total = item.accumulator
    return {
        "XBits": x.bits,
        "XKind": int(x.kind),
        "WBits": w.bits,
        "WKind": int(w.kind),
        "Lanes": folding.pe,
        "Taps": item.taps,
        "Chunks": item.weights.shape[0] // folding.pe,
        "Positions": item.positions[0] * item.positions[1],
        "Classes": total.bias.shape[0],
        "AccBits": total.bits,
        "SignOut": int(total.sign_out),
        "OutBits": _out_bits(item),
    }


def geometry(x: Type, op: Conv | MaxPool | SumPool) -> Params:
    """The window parameters that bhc_window and bhc_shift share."""
    height, width, _ = x.image
    oh, ow = windows(x.image, op)
    if op.endless:
        height, oh = op.stride[0], 1
    return {
        "H": height,
        "W": width,
        "KH": op.kernel[0],
        "KW": op.kernel[1],
        "SH": op.stride[0],
        "SW": op.stride[1],
        "DH": op.dilation[0],
        "DW": op.dilation[1],
        "PT": op.pads.top,
        "PL": op.pads.left,
        "OH": oh,
        "OW": ow,
    }


def window_params(
    x: Type,
    op: Conv | MaxPool | SumPool,
    *,
    lanes: int,
    groups: int,
    replays: int,
    chunk_major: bool,
    pad_word: int,
    fabric: Fabric = XC7,
) -> Params:
    """Parameters of bhc_window.

    Rows: so many that reading goes on without a gap from image to image (its header says when), unless the rows are
    long: then just enough to go on writing while reading.
    """
    shape = geometry(x, op)
    span = (op.kernel[0] - 1) * shape["DH"] + 1
    chunks = x.channels // (groups * lanes)
    row_words = x.image[1] * groups * chunks
    unused = max(0, x.image[0] - ((shape["OH"] - 1) * op.stride[0] + span - op.pads.top))
    gapless = span + (op.stride[0] if op.endless else max(op.stride[0], span + unused))
    rows = gapless if gapless * row_words * lanes * x.bits <= 16384 else span + op.stride[0]
    words = rows * row_words
    return {
        "Bits": x.bits,
        "Lanes": lanes,
        "Chunks": chunks,
        "Groups": groups,
        **shape,
        "Replays": replays,
        "ChunkMajor": int(chunk_major),
        "Rows": rows,
        "Endless": int(op.endless),
        "PadWord": pad_word,
        "Style": int(ring_style(words, lanes * x.bits, fabric)),
    }


def layer_window_params(item: Layer, mode: Mode, folding: Folding) -> Params:
    """Parameters of the bhc_window before a RING or DEPTHWISE layer. The padding is 0, or for a bipolar input
    -1, which is also the bit 0; the bias takes that back.
    """
    op = item.node.op
    assert isinstance(op, Conv)
    if mode == Mode.DEPTHWISE:
        return window_params(
            item.x, op, lanes=folding.pe, groups=1, replays=1, chunk_major=True, pad_word=0, fabric=item.fabric
        )
    return window_params(
        item.x,
        op,
        lanes=folding.simd,
        groups=item.groups,
        replays=item.weights.shape[0] // (item.groups * folding.pe),
        chunk_major=False,
        pad_word=0,
        fabric=item.fabric,
    )


def shift_params(item: Layer) -> Params:
    """Parameters of the bhc_shift before a SHIFT layer."""
    op = item.node.op
    assert isinstance(op, Conv)
    return {"Bits": item.x.bits, "C": item.x.channels, **geometry(item.x, op), "Endless": int(op.endless), "PadWord": 0}


def weights_size(item: Layer, mode: Mode, folding: Folding) -> tuple[int, int]:
    """Depth and width of the weight memory."""
    if mode == Mode.DEPTHWISE:
        return item.weights.shape[0] // folding.pe * item.taps, folding.pe * item.w_operand.bits
    nf, sf = folds(item, folding)
    return nf * sf, folding.pe * folding.simd * item.w_operand.bits


def memory_shapes(item: Layer, mode: Mode, folding: Folding, style: Style) -> tuple[Shape, ...]:
    """Sizes and places of a layer's memories; style is that of the weights."""
    classes = item.accumulator.bias.shape[0]
    depth, width = weights_size(item, mode, folding)
    bias_depth = item.weights.shape[0] // folding.pe * classes
    bias_width = folding.pe * item.accumulator.bits
    shapes = [
        Shape("weights", depth, width, style),
        Shape("bias", bias_depth, bias_width, rom_style(bias_depth, bias_width, item.fabric)),
    ]
    if classes > 1:
        shapes.append(Shape("class", item.positions[0] * item.positions[1], (classes - 1).bit_length(), Style.LUT))
    return tuple(shapes)


def memories(item: Layer, mode: Mode, folding: Folding, style: Style) -> tuple[Memory, ...]:
    """A layer's memories, packed in the order in which the kernel reads them."""
    m = item.weights.shape[0]
    w = item.w_operand
    flat = item.weights.reshape(m, -1)
    total = item.accumulator
    styles = {shape.name: shape.style for shape in memory_shapes(item, mode, folding, style)}
    bias_words = total.bias.reshape(-1, folding.pe)
    words: IntArray
    if mode == Mode.DEPTHWISE:
        by_chunk = flat.reshape(m // folding.pe, folding.pe, item.taps)
        words = by_chunk.transpose(0, 2, 1).reshape(-1, folding.pe)
    else:
        nf, sf = folds(item, folding)
        by_fold = flat.reshape(nf, folding.pe, sf, folding.simd)
        order = (2, 0, 1, 3) if mode == Mode.STATIONARY else (0, 2, 1, 3)
        words = by_fold.transpose(order).reshape(nf * sf, -1)
    packed = [
        memory("weights", words, w.bits, styles["weights"], bipolar=w.kind == Kind.BIPOLAR),
        memory("bias", bias_words, total.bits, styles["bias"]),
    ]
    if total.position_class is not None:
        bits = (total.bias.shape[0] - 1).bit_length()
        packed.append(memory("class", total.position_class.reshape(-1, 1), bits, styles["class"]))
    return tuple(packed)
