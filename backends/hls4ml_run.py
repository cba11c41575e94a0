"""Runs the library that hls4ml's build_lib.sh made, in a process of its own: a failed assertion in it ends the process.

python hls4ml_run.py LIBRARY FUNCTION FOLDER

FOLDER/request.npz: `input<i>` (N, elements) float64, in the order of FUNCTION's parameters; `outputs`, the number of
elements of each output; `names` and `sizes` of the layers that the library traces, empty for no trace. Written:
FOLDER/output<i>.f64 and FOLDER/trace_<name>.f64, float64, window after window; FOLDER/seconds.txt, the time taken by
the calls of FUNCTION.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from io import BufferedWriter
from pathlib import Path
from time import perf_counter

import numpy as np


class _Trace(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("data", ctypes.c_void_p))


def main(library: Path, function: str, folder: Path) -> None:
    with np.load(folder / "request.npz") as request:
        inputs = [request[f"input{i}"] for i in range(sum(name.startswith("input") for name in request.files))]
        outputs = [np.zeros(int(size)) for size in request["outputs"]]
        sizes = {str(name): int(size) for name, size in zip(request["names"], request["sizes"], strict=True)}
    code = ctypes.CDLL(str(library))
    run = getattr(code, function)
    traces = (_Trace * len(sizes))()
    if sizes:
        code.allocate_trace_storage(ctypes.c_size_t(ctypes.sizeof(ctypes.c_double)))
    seconds = 0.0
    with ExitStack() as stack:

        def opened(names: Iterable[str]) -> dict[str, BufferedWriter]:
            return {name: stack.enter_context((folder / f"{name}.f64").open("wb")) for name in names}

        results = opened(f"output{i}" for i in range(len(outputs)))
        layers = opened(f"trace_{name}" for name in sizes)
        for window in range(len(inputs[0])):
            arguments = [ctypes.c_void_p(array.ctypes.data) for array in (*(x[window] for x in inputs), *outputs)]
            start = perf_counter()
            run(*arguments)
            seconds += perf_counter() - start
            for file, values in zip(results.values(), outputs, strict=True):
                file.write(values.tobytes())
            if sizes:
                code.collect_trace_output(traces)
            for trace in traces:
                name = trace.name.decode()
                layers[f"trace_{name}"].write(
                    ctypes.string_at(trace.data, sizes[name] * ctypes.sizeof(ctypes.c_double))
                )
    (folder / "seconds.txt").write_text(f"{seconds}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
