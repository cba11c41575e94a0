"""How deep each FIFO must be, from the timing model; no simulation is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bhc.ir import area, timing
from bhc.ir.fabric import Fabric
from bhc.ir.layers import fifo_style
from bhc.ir.layout import DEFAULT_DEPTH, Join, Layout
from bhc.ir.pipeline import Stage
from bhc.ir.timing import Channel, Timing

#: Windows that the timing model runs: enough to fill every ring buffer and settle.
MODEL_WINDOWS = 3
#: Depth of a FIFO behind a kernel whose pace the data set: as much as LUT memory of the smallest kind holds, which is
#: no larger than two registers.
UNEVEN_DEPTH = 32
#: By how much a period may grow, in all, to do without FIFOs that cost much.
SPARING = 1.02
#: Kernels that pass beats on as they come.
_PASSING = ("bhc_fifo", "bhc_threshold", "bhc_width")


def model(
    layout: Layout, depths: Mapping[str, int | None], output: str, windows: int
) -> tuple[Timing, dict[str, Channel]]:
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

    factories = [timing.source(channel(layout.source), layout.streams[layout.source].beats)]
    for process in layout.processes:
        factories += process(channel)
    end = channel(output)
    beats = layout.streams[output].beats
    factories.append(timing.sink(end, beats))
    return timing.run(factories, list(channels.values()), end, beats, windows, layout.filling), channels


def size(layout: Layout, output: str, windows: int = MODEL_WINDOWS) -> tuple[dict[str, int], Timing]:
    """FIFO depths, and the timing with them. windows: that the model runs.

    Where paths meet, a FIFO holds what its path delivers before the others do: read off the model with these
    channels unbounded, which cannot deadlock; a network that ran unbounded runs with the capacities it used.
    Behind a kernel that delivers results in bursts, a FIFO takes one burst, if the next kernel's work on it would
    else hold up the kernels before for longer than the slowest kernel's period.
    Before a kernel that needs the beginning of an image at once, a FIFO holds that beginning.
    Behind a kernel whose pace the data set, a FIFO evens it out.
    Elsewhere two registers decouple the handshakes.
    """
    depths = dict.fromkeys(layout.links, DEFAULT_DEPTH)
    for found in (_bursts(layout), _heads(layout), _uneven(layout)):
        for name, depth in found.items():
            depths[name] = max(depths[name], depth)
    if layout.joins:
        unbounded = dict.fromkeys(name for join in layout.joins for name in join.links)
        _, channels = model(layout, {**depths, **unbounded}, output, windows)
        for join in layout.joins:
            for name, held in zip(join.links, join.held, strict=True):
                depths[name] = max(depths[name], _skew(layout, channels, name, join) + held)
    timed, _ = model(layout, depths, output, windows)
    if layout.fabric.lut_ram:
        return depths, timed
    return _sparing(layout, depths, timed, output, windows)


def _sparing(
    layout: Layout, depths: dict[str, int], timed: Timing, output: str, windows: int
) -> tuple[dict[str, int], Timing]:
    """Without FIFOs that the period does not need, the largest first: they cost much where they are no LUT memory."""
    kept, longest = dict(depths), timed.period * SPARING
    held = {name for join in layout.joins for name in join.links}
    for name in sorted(depths.keys() - held, key=lambda name: -depths[name] * layout.streams[name].width):
        if depths[name] == DEFAULT_DEPTH:
            continue
        trial = {**kept, name: DEFAULT_DEPTH}
        found, _ = model(layout, trial, output, windows)
        if found.period <= longest:
            kept, timed = trial, found
    return kept, timed


def _slowest_before(layout: Layout) -> dict[str, int]:
    """For every stream, the cycles of the slowest kernel that it depends on."""
    slowest = {layout.source: layout.streams[layout.source].beats}
    slowest |= {item.stream: layout.streams[item.stream].beats for item in layout.external}
    for stage in layout.stages:  # in topological order
        before = max(slowest[name] for name in stage.sources)
        slowest |= dict.fromkeys(stage.sinks, max(before, stage.cycles))
    return slowest


def _burst(stage: Stage) -> int:
    """Beats that a kernel delivers in direct succession, after a silence."""
    p = stage.params
    held = stage.kernel == "bhc_mvu_stream" or (stage.kernel == "bhc_mvu" and p["InputStationary"])
    if held and p["Sf"] > 1:
        return p["Nf"]
    return p["Chunks"] if stage.kernel in ("bhc_pool", "bhc_slide") else 1


def _bursts(layout: Layout) -> dict[str, int]:
    """Depths of the FIFOs that must take a burst."""
    bound = max(stage.cycles for stage in layout.stages)
    slowest = _slowest_before(layout)
    producers = {name: stage for stage in layout.stages for name in stage.sinks}
    consumers = {name: stage for stage in layout.stages for name in stage.sources}
    found: dict[str, int] = {}
    for name, out in layout.links.items():
        producer, consumer = producers.get(name), consumers.get(out)
        while producer is not None and producer.kernel in _PASSING:
            producer = producers.get(producer.sources[0])
        while consumer is not None and consumer.kernel == "bhc_width":
            consumer = consumers.get(consumer.sinks[0])
        if producer is None or consumer is None or _burst(producer) == 1:
            continue
        if consumer.kernel == "bhc_threshold":
            continue  # passes the burst on; the FIFO behind it takes fewer bits
        beats, made = layout.streams[name].beats, layout.streams[producer.sinks[0]].beats
        if slowest[name] + consumer.cycles - made > bound:
            found[name] = max(DEFAULT_DEPTH, -(-_burst(producer) * beats // made))
    return found


def _uneven(layout: Layout) -> dict[str, int]:
    """Depths of the FIFOs behind what skips."""
    producers = {name: stage.kernel for stage in layout.stages for name in stage.sinks}
    return {name: UNEVEN_DEPTH for name in layout.links if producers.get(name) == "bhc_delta"}


def _heads(layout: Layout) -> dict[str, int]:
    """Depths of the FIFOs before bhc_shift, which fills its window from the next image between two windows.

    Unless it can wait for its first rows at the pace of the slowest kernel before it, they must be there already.
    """
    bound = max(stage.cycles for stage in layout.stages)
    slowest = _slowest_before(layout)
    consumers = {name: stage for stage in layout.stages for name in stage.sources}
    found: dict[str, int] = {}
    for name, out in layout.links.items():
        consumer = consumers.get(out)
        while consumer is not None and consumer.kernel == "bhc_width":
            consumer = consumers.get(consumer.sinks[0])
        if consumer is None or consumer.kernel != "bhc_shift":
            continue
        height = consumer.params["H"]
        rows = min((consumer.params["KH"] - 1) * consumer.params["DH"] + 1, height)
        work = consumers[consumer.sinks[0]].cycles
        if work + rows * slowest[name] // height > bound:
            found[name] = max(DEFAULT_DEPTH, -(-rows * layout.streams[name].beats // height))
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
            if needed >= len(channels[other].puts):
                return most + 2  # the model ended before the beats met
            together = max(together, channels[other].puts[needed])
        while arrived < len(puts) and puts[arrived] <= together:
            arrived += 1
        most = max(most, arrived - index)
    # The beat that is in transit when the join takes the first one that waited.
    return most + 2


def with_depths(layout: Layout, depths: Mapping[str, int]) -> tuple[Stage, ...]:
    """The stages, their FIFOs at these depths."""
    return tuple(
        _sized(stage, depths, layout.fabric) if stage.kernel == "bhc_fifo" else stage for stage in layout.stages
    )


def _sized(stage: Stage, depths: Mapping[str, int], fabric: Fabric) -> Stage:
    depth, width = depths[stage.sources[0]], stage.params["Width"]
    params = {**stage.params, "Depth": depth, "Style": int(fifo_style(depth, width, fabric))}
    return replace(stage, params=params, estimate=area.estimate("bhc_fifo", params, (), fabric))
