"""How deep each FIFO must be, from the timing model; no simulation is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bhc.ir import area, timing
from bhc.ir.layout import DEFAULT_DEPTH, Join, Layout
from bhc.ir.pipeline import Stage, Style
from bhc.ir.timing import Channel, Timing

#: Windows that the timing model runs: enough to fill every ring buffer and settle.
MODEL_WINDOWS = 3
#: Kernels whose results come in a burst at the end of their work.
_BURSTY = ("bhc_mvu", "bhc_pool")
#: Kernels that pass beats on as they come.
_PASSING = ("bhc_fifo", "bhc_threshold", "bhc_width")


def model(layout: Layout, depths: Mapping[str, int | None], output: str) -> tuple[Timing, dict[str, Channel]]:
    """Run the timing model with these FIFO depths; the channels hold the cycles of every beat."""
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
    return timing.run(factories, list(channels.values()), end, beats, MODEL_WINDOWS), channels


def size(layout: Layout, output: str) -> tuple[dict[str, int], Timing]:
    """FIFO depths, and the timing with them.

    Where paths meet, a FIFO holds what its path delivers before the others do: read off the model with these
    channels unbounded, which cannot deadlock; a network that ran unbounded runs with the capacities it used.
    Behind a kernel that delivers its results at the end of its work in one burst, a FIFO takes the burst if
    else the next kernel's work on it would hold up the first for longer than the slowest kernel's period.
    Elsewhere two registers decouple the handshakes.
    """
    depths = dict.fromkeys(layout.links, DEFAULT_DEPTH) | _bursts(layout)
    if layout.joins:
        unbounded = dict.fromkeys(name for join in layout.joins for name in join.links)
        _, channels = model(layout, {**depths, **unbounded}, output)
        for join in layout.joins:
            for name, held in zip(join.links, join.held, strict=True):
                depths[name] = max(DEFAULT_DEPTH, _skew(layout, channels, name, join) + held)
    timed, _ = model(layout, depths, output)
    return depths, timed


def _bursts(layout: Layout) -> dict[str, int]:
    """Depths of the FIFOs that must take a burst: a whole window's results of a kernel, delivered at its
    end.
    """
    bound = max(stage.cycles for stage in layout.stages)
    producers = {name: stage for stage in layout.stages for name in stage.sinks}
    consumers = {name: stage for stage in layout.stages for name in stage.sources}
    found: dict[str, int] = {}
    for name, out in layout.links.items():
        producer, consumer = producers.get(name), consumers.get(out)
        while producer is not None and producer.kernel in _PASSING:
            producer = producers.get(producer.sources[0])
        while consumer is not None and consumer.kernel == "bhc_width":
            consumer = consumers.get(consumer.sinks[0])
        if producer is None or consumer is None or producer.kernel not in _BURSTY:
            continue
        if consumer.kernel == "bhc_threshold":
            continue  # passes the burst on; the FIFO behind it takes fewer bits
        burst = producer.params["Nf"] if producer.kernel == "bhc_mvu" else producer.params["Chunks"]
        beats = layout.streams[name].beats
        whole = burst == layout.streams[producer.sinks[0]].beats
        if whole and beats > DEFAULT_DEPTH and producer.cycles + consumer.cycles - burst > bound:
            found[name] = beats
    return found


def _skew(layout: Layout, channels: Mapping[str, Channel], name: str, join: Join) -> int:
    """The most beats that a channel holds if the join takes each as soon as all its channels have it."""
    puts = channels[name].puts
    beats = layout.streams[name].beats
    arrived = most = 0
    for index in range(len(puts)):
        together = puts[index]
        for other in join.links:
            ratio = layout.streams[other].beats
            needed = -(-(index + 1) * ratio // beats) - 1
            together = max(together, channels[other].puts[needed])
        while arrived < len(puts) and puts[arrived] <= together:
            arrived += 1
        most = max(most, arrived - index)
    # The beat that is in transit when the join takes the first one that waited.
    return most + 2


def with_depths(layout: Layout, depths: Mapping[str, int]) -> tuple[Stage, ...]:
    """The stages, their FIFOs at these depths."""
    return tuple(_sized(stage, depths) if stage.kernel == "bhc_fifo" else stage for stage in layout.stages)


def _sized(stage: Stage, depths: Mapping[str, int]) -> Stage:
    depth, width = depths[stage.sources[0]], stage.params["Width"]
    style = Style.BLOCK if depth * width > 8192 and depth > 128 else Style.LUT
    params = {**stage.params, "Depth": depth, "Style": int(style)}
    return replace(stage, params=params, estimate=area.estimate("bhc_fifo", params))
