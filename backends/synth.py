"""Synthesis by Yosys: what every stage takes of a 7-series device.

Each stage is synthesised alone, flattened, as the top of a design of its own: exact figures per stage, in parallel, and equal
stages only once. What this leaves out is optimisation across stages, which their registered streams hardly allow.
Diagnostics: BHC501..BHC504.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import instance, library_plan, memory_images
from bhc.backends.runner import Job, file_errors, find_yosys, run_all, write
from bhc.ir.pipeline import Pipeline, Resources, Stage, Stream
