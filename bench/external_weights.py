"""Weights outside the device: what compiling takes, and how fast layers are whose weights come over AXI.

    python bench/external_weights.py MODEL.onnx [--verify X.npz] [--windows 2] [--fps N] [--rtl]

Compiles the model for pynq-z2 with `--weights auto` (with --rtl: ddr), and prints seconds of the processor, the peak of
memory, cycles and bandwidth. --verify compares the simulator with onnxruntime, every stage, on so many windows.

--rtl runs the design with its shell in Verilator before a memory of 100 MHz with several timings: results must equal
the evaluator's, and the mean cycles of a window give the words a cycle that the largest external layer gets. It is for
networks of the same structure that are smaller than the full one: python examples/models/lara_full.py OUT.onnx
--time 40 --channels 6. Times are of a busy or an idle machine; cycles are exact.
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from bhc import api, inputs
from bhc.backends import virtual_zynq
from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.backends.virtual_zynq import Faults, VirtualZynq
from bhc.backends.zynq import result_words, slot_bytes
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline
from bhc.options import Options
from bhc.progress import SILENT
from bhc.verify import compare
from bhc.zynq_server import open_design

#: Memory at 100 MHz: cycles to the first word, and up to so many more; every 7.8 us a refresh of 160 ns; pauses in
#: phases, as when others use it.
MEMORIES = {
    "30 cycles, no refresh": Faults(latency=30, jitter=0, pause=0, refresh=0, refresh_cycles=0),
    "30 to 60 cycles, refresh": Faults(latency=30, jitter=30, pause=0, refresh=780, refresh_cycles=16),
    "60 to 90 cycles, refresh": Faults(latency=60, jitter=30, pause=0, refresh=780, refresh_cycles=16),
    "30 to 60 cycles, refresh, others": Faults(latency=30, jitter=30, pause=64, refresh=780, refresh_cycles=40),
}
FEW, MANY = 4, 12


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def job(simulator: Path, design: Pipeline, memory: Faults, x: IntArray) -> tuple[IntArray, int]:
    """Results (N, elements) and cycles of windows on the virtual Zynq."""
    source, sink = design.streams[design.input], design.streams[design.output]
    beats = pack(x, source)
    slots = np.pad(beats, ((0, 0), (0, slot_bytes(source) - beats.shape[1])))
    with VirtualZynq(simulator, design, memory) as board, open_design(board.directory) as board_design:
        for region, item in enumerate(design.external):
            board_design.load(region, 0, item.memory.words.tobytes())
        board_design.reset()
        done = board_design.run(slots.tobytes(), len(beats), len(x) * result_words(design), timeout_s=3600)
    whole = np.frombuffer(done.data, np.uint8).reshape(len(x), -1)[:, : sink.beats * slot_bytes(sink)]
    found = whole.reshape(-1, slot_bytes(sink))[:, : beat_bytes(sink)]
    return unpack(found, sink, (sink.beats * sink.lanes,)), done.cycles


def in_rtl(design: Pipeline, graph: Graph, folder: Path) -> None:
    (declared,) = graph.inputs
    lo, hi = declared.type.range.lo, declared.type.range.hi
    x = np.random.default_rng(1).integers(lo, hi + 1, (MANY, *declared.type.shape))
    expected = evaluate(graph, {declared.name: x})[graph.outputs[0]]
    simulator = virtual_zynq.build(design, folder)
    words = max(design.streams[item.stream].beats for item in design.external)
    print(f"{'memory':36}{'cycles a window':>16}{'words a cycle':>15}{'MB/s':>7}")
    for name, memory in MEMORIES.items():
        got, many = job(simulator, design, memory, x)
        assert np.array_equal(got, expected)
        _, few = job(simulator, design, memory, x[:FEW])
        cycles = (many - few) / (MANY - FEW)
        print(f"{name:36}{cycles:16,.0f}{words / cycles:15.3f}{8 * words / cycles * design.clock_mhz:7.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--verify", type=Path, metavar="X.npz")
    parser.add_argument("--windows", type=int, default=2)
    parser.add_argument("--fps", type=float)
    parser.add_argument("--rtl", action="store_true")
    given = parser.parse_args()
    made = api.Compilation(given.model, Options(fps=given.fps, weights="ddr" if given.rtl else "auto"))
    print(f"read: {process_time():.0f} s, {peak_gb():.1f} GB")
    design = made.design
    print(f"scheduled: {process_time():.0f} s, {peak_gb():.1f} GB")
    with TemporaryDirectory() as name:
        made.write(Path(name), "project")
        print(f"written: {process_time():.0f} s, {peak_gb():.1f} GB")
        report = made.report
        print(f"{report.cycles_per_window:,} cycles a window, {report.windows_per_second:.1f} windows/s")
        print(design.estimate)
        for row in report.external:
            share = f"{row.mb_per_second:.0f} MB/s, {row.port_share:.1%} of a port"
            print(f"{row.stage}: {row.bytes_per_window:,} bytes a window, {share}")
        if given.rtl:
            in_rtl(design, made.network.graph, Path(name))
    if given.verify is not None:
        windows = inputs.load(given.verify, made.network.head, None)
        some = inputs.Windows(windows.x[: given.windows], None, windows.origin)
        begin = process_time()
        print(compare(given.model, made.model, made.windowed, some, SILENT, "onnxruntime", "rtl"))
        print(f"compared: {process_time() - begin:.0f} s, {peak_gb():.1f} GB")


if __name__ == "__main__":
    main()
