"""`bhc data`: reads data sets into the cache, and lists what there is. Needs neither torch nor Brevitas."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bhc.progress import SILENT, Progress

if TYPE_CHECKING:
    from bhc.training.data.catalog import Contents


@dataclass(frozen=True, slots=True)
class Row:
    """A data set. contents: None until it is prepared. title, origin and licence are empty for a user's own."""

    name: str
    contents: Contents | None
    title: str
    origin: str
    citation: str
    licence: str


def prepare(name: str, source: Path | None, cache: Path | None = None, progress: Progress = SILENT) -> Row:
    """Reads a data set's original distribution, or a user's own files, into the cache.

    name: of a data set of bhc, with the folder of its distribution as `source`; or the TOML file that describes the
    user's own. cache: None for $BHC_DATA, else ~/.cache/bhc/data.

    Raises:
        BhcError: the source is not such a data set (BHC700, BHC701, BHC703), or the name is unknown (BHC702).
    """
    from bhc.training.data import catalog

    with progress.step(f"reading {name}"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = catalog.prepare(name, source, cache)
    for warning in caught:
        progress.note(f"warning: {name}: {warning.message}")
    return _row(path.stem, path)


def listing(cache: Path | None = None) -> list[Row]:
    """The data sets that bhc can read, and then the user's own that are prepared."""
    from bhc.training.data import catalog

    prepared = {path.stem: path for path in catalog.prepared(cache)}
    names = [*catalog.SETS, *(name for name in prepared if name not in catalog.SETS)]
    return [_row(name, prepared.get(name)) for name in names]


def _row(name: str, file: Path | None) -> Row:
    from bhc.training.data import catalog

    about = None if file is None else catalog.about(file)
    entry = catalog.SETS.get(name)
    if entry is None:
        return Row(name, about, "", "", about.citation if about else "", "")
    return Row(name, about, entry.title, entry.origin, entry.citation, entry.licence)
