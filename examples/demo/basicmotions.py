"""BasicMotions: accelerometer and gyroscope of a smart watch, 4 activities, from inside the `aeon` wheel.

    pip install --no-deps aeon==1.6.0

Recorded at 10 Hz by four students; 40 train and 40 test windows of 6 channels (acceleration x y z, rotation
x y z) and 100 steps. The files are only read: aeon itself is not imported.
See https://www.timeseriesclassification.com/description.php?Dataset=BasicMotions
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

CLASSES = ("Standing", "Running", "Walking", "Badminton")
"""Class names in the order of the labels, as the files declare them."""


def windows(split: Literal["TRAIN", "TEST"]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Windows (40, 6, 100) and their labels (40,), 0 to 3.

    Raises:
        FileNotFoundError: aeon is not installed.
    """
    # find_spec locates a package without running it: what aeon imports is not installed.
    spec = find_spec("aeon")
    if spec is None or spec.submodule_search_locations is None:
        raise FileNotFoundError("BasicMotions comes with the aeon package: pip install --no-deps aeon==1.6.0")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "BasicMotions"
    return parse_ts((folder / f"BasicMotions_{split}.ts").read_text())


def parse_ts(text: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Reads the .ts format: after `@data`, a window a line, colons between channels and class name."""
    lines = text.partition("@data")[2].split()
    fields = [line.split(":") for line in lines]
    x = np.array([[channel.split(",") for channel in channels] for *channels, _ in fields], dtype=np.float32)
    y = np.array([CLASSES.index(name) for *_, name in fields], dtype=np.int64)
    return x, y
