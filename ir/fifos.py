"""How deep each FIFO must be, from the timing model; no simulation is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bhc.ir import area, timing
from bhc.ir.layout import DEFAULT_DEPTH, Layout
from bhc.ir.pipeline import Stage, Style
from bhc.ir.timing import Channel, Timing

#: Windows that the timing model runs: enough to fill every ring buffer and settle.
MODEL_WINDOWS = 4


def model(layout: Layout, depths: Mapping[str, int | None], output: str, windows: int) -> Timing:
    """Run the timing model with these FIFO depths."""
    channels: dict[str, Channel] = {}
    output_of = {out: stream for stream, out in layout.links.items()}

    def channel(stream: str) -> Channel:
        key = output_of.get(stream, stream)
        if key not in channels:
            if key in layout.links:
                channels[key] = Channel(key, depths.get(key, DEFAULT_DEPTH))
            else:
                channels[key] = Channel(key, 1, layout.direct.get(key, 0))
        return channels[key]

    factories = [timing.source(channel("in"), layout.streams["in"].beats)]
    for process in layout.processes:
        factories += process(channel)
    end = channel(output)
    beats = layout.streams[output].beats
    factories.append(timing.sink(end, beats))
    return timing.run(factories, list(channels.values()), end, beats, windows)


def size(layout: Layout, output: str, bound: int) -> tuple[dict[str, int], Timing]:
    """FIFO depths, and the timing with them.

    Where two paths meet, the depth is what the shorter path holds while the longer one fills, read off the
    model with that channel unbounded: a network that ran unbounded runs with the capacities that it used.
    Elsewhere two registers will do, unless bursts cost throughput: then the shortest depth out of a few that
    reaches the bound.
    """
    free = dict.fromkeys(layout.joins)
    timed = model(layout, free, output, MODEL_WINDOWS)
    depths = {name: max(DEFAULT_DEPTH, timed.occupancy[name] + 1) for name in layout.joins}
    timed = model(layout, depths, output, MODEL_WINDOWS)
    plain = [name for name in layout.links if name not in depths]
    if timed.period > bound * 1.01 and plain:
        full = {name: max(DEFAULT_DEPTH, layout.streams[name].beats) for name in plain}
        best = model(layout, {**depths, **full}, output, MODEL_WINDOWS)
        if best.period * 1.01 < timed.period:
            goal = best.period * 1.005
            for name in plain:
                for depth in sorted({DEFAULT_DEPTH, 16, 64, 256, full[name]}):
                    if depth > full[name]:
                        break
                    trial = model(layout, {**depths, **full, name: depth}, output, MODEL_WINDOWS)
                    if trial.period <= goal:
                        full[name] = depth
                        break
            depths |= full
            timed = model(layout, depths, output, MODEL_WINDOWS)
    return {name: depths.get(name, DEFAULT_DEPTH) for name in layout.links}, timed


def with_depths(layout: Layout, depths: Mapping[str, int]) -> tuple[Stage, ...]:
    """The stages, their FIFOs at these depths."""
    return tuple(_sized(stage, depths) if stage.kernel == "bhc_fifo" else stage for stage in layout.stages)


def _sized(stage: Stage, depths: Mapping[str, int]) -> Stage:
    depth, width = depths[stage.sources[0]], stage.params["Width"]
    style = Style.BLOCK if depth * width > 8192 and depth > 128 else Style.LUT
    params = {**stage.params, "Depth": depth, "Style": int(style)}
    return replace(stage, params=params, estimate=area.estimate("bhc_fifo", params))
