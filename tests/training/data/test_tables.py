"""Reading tables of numbers, and every way in which one is malformed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bhc.diagnostics import BhcError
from bhc.training.data.tables import read_table


def written(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "table.txt"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("1 2  3\n\n 4e0 5.5 -6\n", {"columns": 3}, [[1, 2, 3], [4, 5.5, -6]]),
        ("7\n", {"columns": 1}, [[7]]),
        ('\ufeffa,"b",c\n1,x,3\n4,,6\n', {"columns": ("c", "a"), "separator": ","}, [[3, 1], [6, 4]]),
        ("a\tb\r\n1\t2\r\n", {"columns": ("b",), "separator": "\t"}, [[2]]),
        ("1 NaN\n", {"columns": 2, "missing": True}, [[1, np.nan]]),
    ],
)
def test_reads(tmp_path: Path, content: str, options: dict[str, Any], expected: list[list[float]]) -> None:
    table = read_table(written(tmp_path, content), **options)
    assert table.dtype == np.float64
    assert np.array_equal(table, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("content", "options", "where", "message"),
    [
        ("", {"columns": 3}, "", "the file has no rows"),
        ("a,b\n", {"columns": ("a",), "separator": ","}, "", "the file has no rows"),
        ("1 2 3\n4 5\n", {"columns": 3}, ", line 2", "2 values instead of 3"),
        ("1 2\n4 5\n", {"columns": 3}, ", line 1", "2 values instead of 3"),
        ("1 2 3\n\n4 x 6\n", {"columns": 3}, ", line 3", "column 2: 'x' is not a number"),
        ("1 2\n3 1_0\n", {"columns": 2}, ", line 2", "column 2: '1_0' is not a number"),
        ("1 2\n3 nan\n", {"columns": 2}, ", line 2", "column 2: 'nan' is not a number"),
        ("1 nan\n3 inf\n", {"columns": 2, "missing": True}, ", line 2", "column 2: 'inf' is not a number"),
        ("a,b\n1,2\n3,\n", {"columns": ("b",), "separator": ","}, ", line 3", "column 2: '' is not a number"),
        ("a,b\n1,2\n3\n", {"columns": ("b",), "separator": ","}, ", line 3", "1 values instead of 2"),
        ("a,b\n1,2\n", {"columns": ("d",), "separator": ","}, ", line 1", "there is no column 'd' among 2: a, b"),
    ],
)
def test_malformed(tmp_path: Path, content: str, options: dict[str, Any], where: str, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BhcError) as caught:
        read_table(path, **options)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.origin, diagnostic.message) == ("BHC701", f"{path}{where}", message)


def test_text_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_bytes(b"1 2\n3 \xe9\n")
    with pytest.raises(BhcError, match=r"BHC701.*line 2: column 2: '�' is not a number"):
        read_table(path, columns=2)
