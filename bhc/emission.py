"""The files of a design, by backend."""

from __future__ import annotations

from typing import assert_never

from bhc.backends import hls, hls4ml_project, rtl, vitis
from bhc.backends.plan import BuildPlan
from bhc.ir.graph import Graph
from bhc.ir.pipeline import Pipeline
from bhc.options import Settings

#: Prefix of the parts that have processors, and so a block design.
_ZYNQ = "xc7z"


def emit(settings: Settings, graph: Graph, design: Pipeline) -> BuildPlan:
    """Pure: the same build gives the same bytes. Raises BhcError for what a backend cannot express."""
    name, part, board = settings.model.name, settings.board.part, settings.board.name
    clock = settings.schedule.clock_mhz
    match settings.backend:
        case "rtl":
            return rtl.emit(design)
        case "hls":
            zynq = part.startswith(_ZYNQ)
            return hls.emit(design) | vitis.emit(design, graph, part=part, board=board, clock_mhz=clock, zynq=zynq)
        case "hls4ml":
            assert settings.hls4ml is not None
            return hls4ml_project.emit(
                graph,
                name,
                part=part,
                clock_mhz=clock,
                io=settings.hls4ml.io,
                vendor=settings.hls4ml.vendor,
                reuse=hls4ml_project.reuse_factors(design, graph),
            )
        case "finn":
            # It reads the onnx package, which takes longer than all else that starts up.
            from bhc.backends import finn_model

            return finn_model.emit(graph, design, name, board=board, part=part, clock_mhz=clock)
        case _:
            assert_never(settings.backend)
