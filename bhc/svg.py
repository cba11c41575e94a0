"""The pipeline as an SVG picture, to stand inside an HTML page that defines the colours (bhc.html)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from bhc.picture import Box, Edge, Picture, Row, lay_out
from bhc.report import Report, StreamRow

_BOX, _LANE = 400, 64  # widths of lanes with boxes and of those with edges only
_HEIGHT, _PORT, _GAP = 72, 30, 40
_MARGIN = 8
_ROOM = 150  # for the labels beside the last lane


@dataclass(frozen=True, slots=True)
class _Place:
    """A row's box: its middle, top and bottom."""

    x: float
    top: float
    bottom: float
    width: float

    @property
    def side(self) -> float:
        return self.x + self.width / 2

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'


def stream_label(stream: StreamRow) -> str:
    """Width and length of a stream, in words."""
    kind = "bipolar" if stream.kind == "bipolar" else f"{'int' if stream.kind == 'signed' else 'uint'}{stream.bits}"
    return f"{stream.lanes} × {kind}"


def _rect(x: float, y: float, width: float, height: float, style: str) -> str:
    """With round corners: short boxes have round ends."""
    radius = height / 2 if height < _HEIGHT else 8
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" class="{style}"/>'


def _lanes(picture: Picture) -> list[float]:
    """Middle of every lane."""
    count = max(max(picture.lanes, default=0), *(row.lane for row in picture.rows)) + 1
    boxed = {row.lane for row in picture.rows}
    middles, x = [], float(_MARGIN)
    for lane in range(count):
        width = _BOX if lane in boxed else _LANE
        middles.append(x + width / 2)
        x += width + (24 if lane in boxed else 0)
    return middles


def _places(picture: Picture, lanes: list[float]) -> list[_Place]:
    places, y = [], float(_MARGIN)
    for row in picture.rows:
        port = not row.box.kernels
        height = _PORT if port else _HEIGHT
        places.append(_Place(lanes[row.lane], y, y + height, _BOX / 2 if port else _BOX))
        y += height + _GAP
    return places


def _bar(box: Box, place: _Place, slowest: int) -> list[str]:
    """Cycles against those of the slowest box."""
    left, top, width = place.side - 142, place.top + 15, 128
    part = box.cycles / slowest
    style = "bar slowest" if part > 0.995 else "bar"
    return [
        _rect(left, top, width, 7, "track"),
        _rect(left, top, max(width * part, 3), 7, style),
        _text(place.side - 14, top + 23, f"{box.cycles:,} cycles", "small", "end"),
    ]


def _box(row: Row, place: _Place, slowest: int) -> list[str]:
    box, left = row.box, place.x - place.width / 2
    style = "box" if box.kernels else "port"
    lines = ["<g>", _rect(left, place.top, place.width, place.bottom - place.top, style)]
    if not box.kernels:
        return [*lines, _text(place.x, place.middle + 4.5, box.name, "name", "middle"), "</g>"]
    lines.append(f"<title>{escape(', '.join(box.origin) or box.name)}</title>")
    lines.append(_text(left + 14, place.top + 23, _short(box.name, 26), "name"))
    folding = f" · PE {box.folding.pe} × SIMD {box.folding.simd}" if box.folding else ""
    lines.append(_text(left + 14, place.top + 42, " → ".join(box.kernels) + folding, "small"))
    need = box.resources
    takes = [f"{need.lut:,} LUT", f"{need.ff:,} FF"]
    if need.bram:
        takes.append(f"{need.bram:g} BRAM")
    if need.dsp:
        takes.append(f"{need.dsp} DSP")
    if box.memory:
        takes.append({"lut": "weights in LUTs", "block": "weights in BRAM"}.get(box.memory, "weights in memory"))
    lines.append(_text(left + 14, place.top + 60, " · ".join(takes), "small dim"))
    return [*lines, *_bar(box, place, slowest), "</g>"]


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _edge(edge: Edge, lane: float, source: _Place, sink: _Place) -> list[str]:
    """A line from box to box: straight down, or out of one side, down its lane, and into the other."""
    r = 10
    if lane == source.x:
        path, start = f"M{lane:g} {source.bottom:g}", source.bottom
    else:
        start = source.top + 0.7 * (source.bottom - source.top)
        path = f"M{source.side:g} {start:g} H{lane - r:g} q{r} 0 {r} {r}"
        start = source.bottom
    if lane == sink.x:
        path += f" V{sink.top - 5:g}"
    else:
        end = sink.top + 0.3 * (sink.bottom - sink.top)
        into = sink.side + 5 if lane > sink.x else sink.x - sink.width / 2 - 5
        turn = -r if lane > sink.x else r
        path += f" V{end - r:g} q0 {r} {turn} {r} H{into:g}"
    lines = [f'<path d="{path}" class="edge" marker-end="url(#arrow)"/>']
    label = f"{stream_label(edge.stream)} · {edge.stream.beats:,} beats"
    lines.append(_text(lane + 9, start + 17, label, "small dim"))
    if edge.fifo > 2:
        lines.append(_text(lane + 9, start + 31, f"FIFO {edge.fifo:,}", "small fifo"))
    return lines


def picture(report: Report) -> str:
    """An <svg> element."""
    layout = lay_out(report)
    lanes = _lanes(layout)
    places = _places(layout, lanes)
    width = max(lanes[-1] + _ROOM, max(place.side for place in places) + _MARGIN)
    height = places[-1].bottom + _MARGIN
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Stages and their streams">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="7" markerHeight="7"',
        'orient="auto"><path d="M0 0L8 4L0 8z" class="head"/></marker></defs>',
    ]
    for edge, lane in zip(layout.edges, layout.lanes, strict=True):
        lines += _edge(edge, lanes[lane], places[edge.source], places[edge.sink])
    for row, place in zip(layout.rows, places, strict=True):
        lines += _box(row, place, layout.slowest)
    return "\n".join([*lines, "</svg>"])
