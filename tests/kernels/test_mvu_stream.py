"""bhc_mvu_stream does what bhc_mvu does with the same weights in a memory, to the cycle if none is late."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.kernels.batch import Case, build_batch
from tests.kernels.harness import Bits
from tests.kernels.test_compute import WINDOWS, Trial, draw_mvu

NOT_OF_A_STREAM = ("InputStationary", "Positions", "Classes", "Group", "WeightsStyle", "WeightsFile", "WeightsInit")
#: No accumulator, one in a register, and a memory of them.
CORNERS: list[dict[str, int]] = [
    {"Sf": 1, "Nf": 1, "Simd": 16},
    {"Sf": 1, "Nf": 3, "Simd": 5},
    {"Sf": 3, "Nf": 1, "Simd": 11, "Pe": 2},
    {"Sf": 3, "Nf": 4, "Simd": 3, "DotStages": 0},
    {"Sf": 4, "Nf": 4, "Simd": 64, "Pe": 1, "DotStages": 1},
]


def draw(random: Random, tag: str, fixed: dict[str, int]) -> tuple[Trial, list[int]]:
    """A trial of bhc_mvu as one of bhc_mvu_stream, and its words of weights."""
    while True:
        trial = draw_mvu(random, tag, {**fixed, "InputStationary": 1})
        parameters = trial.case.parameters
        if parameters["Classes"] == 1:
            break
    constant = parameters.get("WeightsInit")
    words = [constant.value] if isinstance(constant, Bits) else trial.memories[f"{tag}_weights.hex"]
    kept = {name: value for name, value in parameters.items() if name not in NOT_OF_A_STREAM}
    width = int(str(parameters["Pe"])) * int(str(parameters["Simd"])) * int(str(parameters["WBits"]))
    sources = {**trial.case.sources, "weights": width}
    case = Case("bhc_mvu_stream", kept, sources, trial.case.width)
    return Trial(case, trial.memories, trial.beats, trial.want, trial.taken, trial.emitted), words * (
        WINDOWS * int(str(parameters["Positions"]))
    )


def test_as_with_a_memory(tmp_path: Path) -> None:
    random = Random(1)
    drawn = [draw(random, f"mvu{index}", fixed) for index, fixed in enumerate(CORNERS)]
    for trial, _ in drawn:
        for name, words in trial.memories.items():
            (tmp_path / name).write_text("".join(f"{word:x}\n" for word in words))
    batch = build_batch(tmp_path, [trial.case for trial, _ in drawn])
    for index, (trial, words) in enumerate(drawn):
        beats = {"in": trial.beats, "weights": words}
        free = batch.run(index, beats, len(trial.want))
        assert free.outputs[0] == trial.want, trial.case
        assert free.taken["in"] == trial.taken, trial.case
        assert free.taken["weights"] == list(range(len(words))), trial.case
        assert free.emitted[0] == trial.emitted, trial.case
        for stalls in (1, 2, 3):
            stalled = batch.run(index, beats, len(trial.want), stalls)
            assert stalled.outputs[0] == trial.want, trial.case
