"""How many beats pass each stream of a pipeline, as a function of the windows or hops of its input.

A streamed design takes endless sequences: its windows begin in one hop and end in a later one, so that of n hops a
stream carries each * n - lost beats. What is lost follows from the stages alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bhc.ir.pipeline import Pipeline, Stage


@dataclass(frozen=True, slots=True)
class Amount:
    """max(0, each * n - lost), of n windows or hops."""

    each: int
    lost: int = 0

    def of(self, units: int) -> int:
        return max(0, self.each * units - self.lost)

    def per(self, size: int) -> Amount:
        """In parts of so many. Raises ValueError unless they are whole."""
        if self.each % size or self.lost % size:
            raise ValueError(f"{self} does not divide by {size}")
        return Amount(self.each // size, self.lost // size)


def amounts(pipeline: Pipeline) -> dict[str, Amount]:
    """Of every stream."""
    lost = {pipeline.input: 0} | {item.stream: 0 for item in pipeline.external}
    for stage in pipeline.stages:  # in topological order
        for sink in stage.sinks:
            lost[sink] = _lost(stage, [lost[name] for name in stage.sources])
    return {name: Amount(stream.beats, lost[name]) for name, stream in pipeline.streams.items()}


def is_streamed(flow: Mapping[str, Amount]) -> bool:
    """Whether the design's unit is a hop: windows overlap. Where nothing is lost, it makes no difference."""
    return any(amount.lost for amount in flow.values())


def unit_beats(stage: Stage) -> int:
    """Beats of the first source in what a kernel of the C++ counts (see hls/): images, rows, positions, beats ..."""
    p = stage.params
    match stage.kernel:
        case "bhc_window":
            return p["W"] * p["Groups"] * p["Chunks"] * (1 if p["Endless"] else p["H"])
        case "bhc_shift":
            return p["W"] * (1 if p["Endless"] else p["H"])
        case "bhc_mvu":
            return p["Sf"] * (1 if p["InputStationary"] else p["Nf"])
        case "bhc_mvu_stream":
            return p["Sf"]
        case "bhc_dw":
            return p["Chunks"] * p["Taps"]
        case "bhc_pool":
            return p["W"] * p["Chunks"]
        case "bhc_pad":
            return p["H"] * p["W"] * p["Chunks"]
        case "bhc_hold":
            return p["Rows"] * p["Chunks"]
        case "bhc_slide" | "bhc_delta" | "bhc_argmax":
            return p["Chunks"]
        case "bhc_concat":
            return p["AChunks"]
        case "bhc_fifo" | "bhc_width" | "bhc_fork" | "bhc_threshold" | "bhc_add":
            return 1
        case _:
            raise ValueError(f"the kernel {stage.kernel} is unknown here")


def _moving(lost: int, span: int, stride: int) -> int:
    """Windows of `span` rows, one every `stride`, that are lost with so many rows.

    Of n * stride - lost rows there are (n * stride - lost - span) // stride + 1 windows.
    """
    return -(-(lost + span) // stride) - 1


def _lost(stage: Stage, sources: list[int]) -> int:
    """Beats that a sink of a stage is short of, by those that its sources are."""
    p = stage.params
    if stage.kernel == "bhc_concat":
        return max(lost // p[chunks] for lost, chunks in zip(sources, ("AChunks", "BChunks"), strict=True)) * (
            p["AChunks"] + p["BChunks"]
        )
    if stage.kernel == "bhc_add":
        return max(sources)
    if stage.kernel == "bhc_width":
        return sources[0] * p["InLanes"] // p["OutLanes"]
    units = sources[0] // unit_beats(stage)
    match stage.kernel:
        case "bhc_window":
            if p["Endless"]:
                units = _moving(units, (p["KH"] - 1) * p["DH"] + 1, p["SH"])
            return units * p["OH"] * p["OW"] * p["Groups"] * p["Replays"] * p["KH"] * p["KW"] * p["Chunks"]
        case "bhc_shift":
            if p["Endless"]:
                units = _moving(units, (p["KH"] - 1) * p["DH"] + 1, p["SH"])
            return units * p["OH"] * p["OW"]
        case "bhc_slide":
            return _moving(units, (p["Rows"] - 1) * p["D"] + 1, p["Stride"]) * p["Chunks"]
        case "bhc_delta":
            reach = (p["Taps"] - 1) * p["D"]
            if p["Columns"]:
                windows = units // p["Columns"] * ((p["Columns"] - 1 - reach) // p["Stride"] + 1)
            else:
                windows = _moving(units, reach + 1, p["Stride"])
            return windows * p["Nf"]
        case "bhc_pool":
            # Rows beyond the last whole kernel are dropped where windows are whole.
            windows, rest = divmod(units, p["H"])
            return (windows * (p["H"] // p["KH"]) + -(-rest // p["KH"])) * (p["W"] // p["KW"]) * p["Chunks"]
        case "bhc_mvu" | "bhc_mvu_stream":
            return units * p["Nf"]
        case "bhc_dw":
            return units * p["Chunks"]
        case "bhc_pad":
            return units * (p["H"] + p["PT"] + p["PB"]) * (p["W"] + p["PL"] + p["PR"]) * p["Chunks"]
        case "bhc_argmax":
            return units
        case _:
            return sources[0]
