"""Tables of numbers in text files, and what is wrong with those that are none."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import BhcError, fail

_HINT = "the file is damaged or not of this data set; unpack the original distribution again"


def malformed(path: Path, message: str, line: int | None = None) -> BhcError:
    """What to raise about a file's content. line: from 1."""
    return fail("BHC701", message, origin=str(path) if line is None else f"{path}, line {line}", hint=_HINT)


def read_table(
    path: Path, *, columns: int | Sequence[str], separator: str | None = None, missing: bool = False
) -> NDArray[np.float64]:
    """The numbers of a text file, float64 (rows, columns).

    columns: how many, of a file without a header, or the names of those wanted, in this order, of a file whose first
    line names them. separator: None for any white space. missing: whether "NaN" may stand for a number. Empty lines
    do not count. Raises BhcError: BHC701 names the line and the value that is no finite number.
    """
    header = not isinstance(columns, int)
    width, wanted = (columns, None) if isinstance(columns, int) else _header(path, columns, separator)
    try:
        with catch_warnings(category=UserWarning, action="ignore"):  # about a file without rows
            table = np.loadtxt(
                path,
                delimiter=separator,
                comments=None,
                skiprows=int(header),
                usecols=wanted,
                ndmin=2,
                encoding="utf-8-sig",
            )
    except ValueError as error:
        _diagnose(path, width, separator, header=header, missing=missing, wanted=wanted, otherwise=str(error))
    if not table.size:
        raise malformed(path, "the file has no rows")
    if wanted is None and table.shape[1] != width:
        _diagnose(path, width, separator, header=header, missing=missing)
    if np.isinf(table).any() or (not missing and np.isnan(table).any()):
        _diagnose(path, width, separator, header=header, missing=missing, wanted=wanted)
    return table


def _header(path: Path, names: Sequence[str], separator: str | None) -> tuple[int, list[int]]:
    """How many columns the first line names, and the positions of `names`."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        found = [field.strip().strip('"') for field in file.readline().rstrip("\n").split(separator)]
    absent = [name for name in names if name not in found]
    if absent:
        raise malformed(path, f"there is no column {absent[0]!r} among {len(found)}: {', '.join(found[:8])}", 1)
    return len(found), [found.index(name) for name in names]


def _diagnose(
    path: Path,
    width: int,
    separator: str | None,
    *,
    header: bool,
    missing: bool,
    wanted: Sequence[int] | None = None,
    otherwise: str = "not a table of numbers",
) -> NoReturn:
    """Raises about the first line that is wrong; `otherwise`, if all seem well."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, text in enumerate(file, start=1):
            fields = text.rstrip("\r\n").split(separator)
            if not text.strip() or (header and number == 1):
                continue
            if len(fields) != width:
                raise malformed(path, f"{len(fields)} values instead of {width}", number)
            for position in range(width) if wanted is None else wanted:
                if not _is_number(fields[position], missing=missing):
                    raise malformed(path, f"column {position + 1}: {fields[position]!r} is not a number", number)
    raise malformed(path, otherwise)


def _is_number(text: str, *, missing: bool) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return "_" not in text and not np.isinf(value) and (missing or not np.isnan(value))
