"""The command line: parses arguments, calls bhc.commands, turns exceptions into messages and exit codes.

docs/cli.md is its manual.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter, _ActionsContainer
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from bhc import commands
from bhc.backends.shell import BAUD
from bhc.device import SIM
from bhc.diagnostics import BhcError
from bhc.live import Overflow
from bhc.playback import LINE_BAUD
from bhc.report import ComparisonError
from bhc.version import __version__

DONE, DIAGNOSTIC, MISMATCH, INTERRUPTED = 0, 1, 3, 130

_DESCRIPTION = "Compiles trained binary and quantized temporal CNNs (QONNX) to FPGA accelerators, bit-exact."
_EPILOG = """\
examples:
  bhc compile model.onnx --target pynq-z2 --fps 10000 --out build
  bhc cosim build --input windows.npy --stalls 1
  bhc build build
  bhc flash build
  bhc run build --input windows.npy --on /dev/ttyUSB1
  bhc report build

exit codes: 0 done, 1 a diagnostic, 2 wrong usage, 3 a comparison failed"""


class _Formatter(RawDescriptionHelpFormatter):
    """Keeps examples as they are written, with room for the options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=100)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("bhc", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Formatter)
    parser.add_argument("--version", action="version", version=f"bhc {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(
        name: str, run: Callable[[Namespace], None], summary: str, description: str, example: str
    ) -> ArgumentParser:
        made = verbs.add_parser(
            name,
            help=summary,
            description=description,
            epilog=f"example:\n  {example}",
            formatter_class=_Formatter,
        )
        made.set_defaults(run=run)
        loudness = made.add_mutually_exclusive_group()
        loudness.add_argument("-q", "--quiet", action="store_true", help="print diagnostics only")
        loudness.add_argument("-v", "--verbose", action="store_true", help="print details")
        return made

    _add_compile(
        verb(
            "compile",
            commands.compile_model,
            "from a model to Verilog",
            "Compiles a QONNX model for a board; the folder holds all that it takes to rebuild the design.",
            "bhc compile model.onnx --target pynq-z2 --fps 10000 --verify windows.npy --out build",
        )
    )

    simulate = verb(
        "simulate",
        commands.simulate,
        "the model's outputs, bit-exact with the hardware",
        "Computes the model's outputs as the hardware and the host would, for a build or a model.",
        "bhc simulate build --input windows.npy --output scores.npy",
    )
    simulate.add_argument("source", metavar="DIR|MODEL.onnx", type=Path, help="a build, or a model")
    _add_input(simulate)
    simulate.add_argument(
        "--output", metavar="Y.npy", type=Path, help="file for the outputs (.npz if there are several)"
    )
    simulate.add_argument("--trace", metavar="DIR", type=Path, help="folder for every intermediate value")

    cosim = verb(
        "cosim",
        commands.cosim,
        "simulate the design, compare every stage",
        "Runs the Verilog in Verilator (or its netlist for the board, the HLS C++ as a program, hls4ml's C simulation, "
        "FINN's ONNX file in qonnx) and compares every stage. Of Verilog, without stalls, it measures cycles.",
        "bhc cosim build --input windows.npy --stalls 1",
    )
    _add_directory(cosim)
    _add_input(cosim)
    cosim.add_argument(
        "--backend",
        metavar="NAME",
        help="what to simulate: rtl, netlist, hls, hls4ml or finn; default: what the build is of",
    )
    cosim.add_argument("--stalls", type=int, metavar="SEED", help="pause input and output at random (rtl, netlist)")
    cosim.add_argument("--vcd", type=Path, metavar="FILE", help="file for waveforms (rtl, netlist)")
    cosim.add_argument(
        "--activity", action="store_true", help="count memory reads, accumulator updates and register toggles (rtl)"
    )

    _add_run(
        verb(
            "run",
            commands.run,
            "windows through a board, or a virtual one",
            "Sends windows to a board that has the build's bitstream, by serial port or SSH, and takes the results, "
            "the same as `bhc simulate` computes. The virtual board is the whole design, pins included, in Verilator.",
            "bhc run build --input windows.npy --on /dev/ttyUSB1",
        )
    )

    _add_directory(
        verb(
            "synth",
            commands.synth,
            "resources by Yosys, per stage and in total",
            "Synthesises every stage with Yosys, and puts the resources beside the estimates in report.json.",
            "bhc synth build",
        )
    )

    build = verb(
        "build",
        commands.build,
        "the bitstream",
        "Synthesises the whole design with its shell, places, routes, and writes the board's bitstream.",
        "bhc build build",
    )
    _add_directory(build)
    build.add_argument("--baud", metavar="N", type=_count, help=f"of the board's UART; default: {BAUD}")
    build.add_argument(
        "--toolchain", metavar="NAME", default="auto", help="nextpnr, vivado or openxc7; default: what is installed"
    )

    _add_flash(
        verb(
            "flash",
            commands.flash,
            "the bitstream, onto the board",
            "Compares the bitstream of `bhc build` with the board, then loads it: by openFPGALoader, or onto a Zynq "
            "over SSH.",
            "bhc flash build",
        )
    )

    report = verb(
        "report",
        commands.report,
        "one self-contained HTML file",
        "Writes report.html: figures, comparisons, a picture of the pipeline. It needs no other file.",
        "bhc report build --output demo.html",
    )
    _add_directory(report)
    report.add_argument("--output", metavar="FILE", type=Path, help="default: DIR/report.html")

    _add_train(
        verb(
            "train",
            commands.train,
            "from recordings to a trained QONNX model",
            "Trains what a recipe describes, with Brevitas; evaluates, exports, and checks the exported file. "
            "A run that was interrupted goes on where it was.",
            "bhc train examples/zoo/recipes/hapt_binary.toml --seeds 1,2,3",
        )
    )
    data = verb(
        "data",
        commands.data,
        "recordings to train on",
        "Reads a data set's original distribution, or your own files, into the cache.",
        "bhc data prepare hapt --source ~/Downloads/HAPT",
    )
    data.add_argument("action", choices=("prepare", "list"), help="read into the cache; or list what there is")
    data.add_argument(
        "name", metavar="NAME", nargs="?", help="a data set, or a TOML file about your own (docs/data.md)"
    )
    data.add_argument("--source", metavar="DIR", type=Path, help="folder of the original distribution")
    _add_cache(data)

    verb("targets", commands.targets, "the boards", "Lists the boards that --target takes.", "bhc targets")
    verb(
        "doctor",
        commands.doctor,
        "what is installed",
        "Lists tools, versions, and how to get what is missing.",
        "bhc doctor",
    )
    return parser


def _add_directory(parser: ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder that `bhc compile` wrote")


def _add_run(parser: ArgumentParser) -> None:
    _add_directory(parser)
    given = parser.add_mutually_exclusive_group(required=True)
    _add_input(given, required=False)
    given.add_argument(
        "--play",
        metavar="SOURCE",
        help="rows one by one, answers as they come: a recording (.npy, .npz, or text with a row a line), a serial "
        "port that sends such lines, or - for standard input",
    )
    parser.add_argument(
        "--on",
        metavar="WHERE",
        default=SIM,
        help="sim, the virtual board (the default), a serial port: /dev/tty..., or the host of a Zynq",
    )
    parser.add_argument("--baud", metavar="N", type=_count, help="of the board's port; default: as `bhc build` made it")
    parser.add_argument("--output", metavar="Y.npy", type=Path, help="file for the outputs (.npz if there are several)")
    parser.add_argument(
        "--one-by-one", action="store_true", help="wait for each result before the next input, and measure its cycles"
    )
    live = parser.add_argument_group("with --play")
    live.add_argument("--watch", action="store_true", help="a screen that lives, on a terminal")
    live.add_argument("--rate", metavar="HZ", type=_positive, help="rows a second; default: as fast as they come")
    live.add_argument("--every", metavar="N", type=_count, help="rows from one answer to the next; default: a window")
    live.add_argument("--columns", metavar="I,J...", type=_columns, help="numbers of a line, from 0; default: all")
    live.add_argument("--labels", metavar="A,B...", type=_names, help="names of the classes; default: the model's")
    live.add_argument(
        "--overflow",
        choices=get_args(Overflow),
        help="rows that come too fast wait, are dropped, or stop it; default: drop with --rate or a port, else wait",
    )
    live.add_argument("--gap", metavar="SECONDS", type=_positive, help="begin anew after so long a silence")
    live.add_argument(
        "--source-baud", metavar="N", type=_count, default=LINE_BAUD, help=f"of SOURCE's port; default: {LINE_BAUD}"
    )


def _add_flash(parser: ArgumentParser) -> None:
    _add_directory(parser)
    parser.add_argument(
        "--via", metavar="HOW", default="auto", help="openfpgaloader, or pynq over SSH; default: pynq with --host"
    )
    parser.add_argument("--host", metavar="HOST", help="[USER@]NAME[:PORT] of a Zynq under Linux")
    parser.add_argument("--flash", action="store_true", help="into the board's flash memory, where it stays")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")


def _add_cache(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data", metavar="CACHE", type=Path, help="folder of prepared data; default: $BHC_DATA or ~/.cache/bhc/data"
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ArgumentTypeError(f"{count} is less than 1")
    return count


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ArgumentTypeError(f"{text} is not above 0")
    return value


def _columns(text: str) -> tuple[int, ...]:
    columns = tuple(int(part) for part in text.split(","))
    if min(columns) < 0:
        raise ArgumentTypeError(f"{min(columns)} is less than 0")
    return columns


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _seeds(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _add_train(parser: ArgumentParser) -> None:
    parser.add_argument("recipes", metavar="RECIPE.toml", type=Path, nargs="+", help="docs/training.md has the keys")
    parser.add_argument("--seeds", metavar="N,N...", type=_seeds, help="default: the recipe's, which is 1 by default")
    parser.add_argument("--runs", metavar="DIR", type=Path, default=Path("runs"), help="folder of runs; default: runs")
    _add_cache(parser)
    parser.add_argument("--epochs", metavar="N", type=_count, help="instead of the recipe's, to try something out")
    parser.add_argument("--fresh", action="store_true", help="start over instead of resuming")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: a GPU if there is one"
    )
    parser.add_argument(
        "--threads", metavar="N", type=_count, default=1, help="of the CPU; default: 1, fastest for small nets"
    )


def _add_input(parser: _ActionsContainer, *, required: bool = True) -> None:
    parser.add_argument(
        "--input",
        metavar="X.npy",
        type=Path,
        required=required,
        help="windows (N, ...), float32 or integer; or an .npz with key x and, for labels, y",
    )


def _add_compile(parser: ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL.onnx", type=Path, help="a QONNX model, as Brevitas exports it")
    parser.add_argument(
        "--target",
        metavar="BOARD",
        default="pynq-z2",
        help="a board of `bhc targets`, or a board file (.toml)",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the build; default: MODEL.bhc")
    parser.add_argument("--clock", metavar="MHZ", type=float, help="default: the board's")
    parser.add_argument(
        "--backend",
        metavar="NAME",
        help="rtl (Verilog, the default), hls (C++ for Vitis HLS), hls4ml (its project) or finn (an ONNX file for it)",
    )
    parser.add_argument("--io", metavar="HOW", help="for hls4ml: stream (the default) or parallel")
    parser.add_argument("--vendor", metavar="TOOL", help="for hls4ml: vitis (the default) or vivado")
    parser.add_argument(
        "--mode", metavar="MODE", default="window", help="window, or stream: recordings, a result each --hop"
    )
    parser.add_argument("--hop", metavar="N", type=int, help="for --mode stream: rows from one window to the next")
    parser.add_argument(
        "--delta", metavar="WHEN", default="off", help="skip what does not change: off, auto (where it pays) or on"
    )
    parser.add_argument(
        "--calibrate", metavar="X.npy", type=Path, help="windows or recordings that say how much changes, for --delta"
    )
    parser.add_argument(
        "--weights",
        metavar="WHERE",
        default="auto",
        help="of dense layers: chip, ddr (of as many as can), or auto: in DDR only what does not fit; ddr needs a Zynq",
    )
    parser.add_argument(
        "--verify", metavar="X.npy", type=Path, help="compare the simulator with onnxruntime, every stage"
    )
    parser.add_argument(
        "--emit",
        choices=("graph", "pipeline", "rtl", "hls", "project"),
        default="project",
        help="stop early; without --out, graph and pipeline go to standard output",
    )
    parser.add_argument("--dump-ir", metavar="DIR", type=Path, help="folder for the graph after each pass")
    speed = parser.add_argument_group("how parallel (default: the fastest design within a quarter of the board)")
    goal = speed.add_mutually_exclusive_group()
    goal.add_argument("--fps", metavar="N", type=float, help="the smallest design that does N windows a second")
    goal.add_argument("--fit", action="store_true", help="the fastest design that fits the board")
    goal.add_argument("--folding", metavar="FILE.toml", type=Path, help="PE and SIMD by layer (docs/cli.md)")


def _run(arguments: Sequence[str]) -> None:
    parsed = _parser().parse_args(arguments)
    parsed.run(parsed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code. Raises SystemExit for --help and wrong usage."""
    try:
        _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BhcError as error:
        print(error, file=sys.stderr)
        return DIAGNOSTIC
    except ComparisonError as error:
        print(f"mismatch: {error}", file=sys.stderr)
        return MISMATCH
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DIAGNOSTIC
    return DONE
