"""report.html: the report as one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from bhc import svg
from bhc.ir.fabric import fabric
from bhc.ir.pipeline import Resources
from bhc.ir.tradeoff import Row
from bhc.report import Report, StageRow, Verification

_STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --card: #fff; --ink: #1c2024; --dim: #667079; --line:
  #dcdfe3;
  --edge: #98a2ad; --track: #e8ebee; --bar: #3b7dd8; --slow: #d9822b; --good: #1a7f4b; --bad: #c0362c;
  --fifo: #7a4fc0; }
@media (prefers-color-scheme: dark) { :root { --page: #15181b; --card: #1d2125; --ink: #e6e8ea; --dim:
  #98a1aa;
  --line: #343a40; --edge: #6b747d; --track: #2c3237; --bar: #5c9cf0; --slow: #e79a4c; --good: #4cc38a;
  --bad: #ff7369;
  --fifo: #b08cf0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 1180px; background: var(--page); color:
  var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; } .dim { color: var(--dim); } .good { color: var(--good); } .bad { color: var(--bad); }
code { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .75rem; margin:
  1.2rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .7rem .9rem; }
.tile b { display: block; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile > span { color: var(--dim); font-size: .85rem; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.scroll.picture { padding: 1rem; } .scroll.picture svg { display: block; margin: 0 auto; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .55rem; text-align: left; white-space: nowrap; border-bottom: 1px solid
  var(--line); }
tr:last-child td { border-bottom: 0; } th { color: var(--dim); font-weight: 500; } td.n, th.n { text-align:
  right; }
td.origin { white-space: normal; overflow-wrap: anywhere; color: var(--dim); min-width: 9rem; }
tr.plumbing td { color: var(--dim);
  }
tfoot td { font-weight: 600; border-top: 2px solid var(--line); }
svg text { fill: var(--ink); font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
svg .name { font-weight: 600; font-size: 14px; } svg .small { font-size: 12px; } svg .dim { fill:
  var(--dim); }
svg .fifo { fill: var(--fifo); } svg .box { fill: var(--page); stroke: var(--line); stroke-width: 1.2; }
svg .port { fill: var(--track); } svg .edge { fill: none; stroke: var(--edge); stroke-width: 1.6; }
svg .head { fill: var(--edge); } svg .track { fill: var(--track); } svg .bar { fill: var(--bar); }
svg .slowest { fill: var(--slow); }
"""

_NOTHING_COMPARED = """\
<p class="dim">Nothing compared yet: <code>bhc compile --verify X.npy</code> compares the simulator with
onnxruntime, <code>bhc cosim</code> compares the hardware with the simulator.</p>"""
_LEGEND = """\
<p class="dim">Bars compare cycles a window; the slowest stage sets the rate. Beside the arrows stand the
streams' widths and lengths. LUT, FF and BRAM are estimates; FIFOs and adapters before a stage are included.</p>"""

_PLUMBING = ("bhc_fifo", "bhc_fork", "bhc_width")
_UNITS = ("lut", "ff", "bram", "dsp")

Cell = tuple[str, str]  # class, HTML


def _n(value: float | None) -> Cell:
    """A number, or a dash for none."""
    if value is None:
        return "n", '<span class="dim">–</span>'
    return "n", f"{value:,.1f}" if value != int(value) else f"{int(value):,}"


def _t(text: str, style: str = "") -> Cell:
    return style, escape(text)


def _table(
    head: Sequence[tuple[str, str]], rows: Iterable[tuple[str, Sequence[Cell]]], foot: Sequence[Cell] = ()
) -> str:
    """Head cells are (class, text); rows have a class and cells."""

    def line(cells: Sequence[Cell], tag: str, style: str = "") -> str:
        inside = "".join(f'<{tag} class="{c}">{text}</{tag}>' for c, text in cells)
        return f'<tr class="{style}">{inside}</tr>'

    body = "".join(line(cells, "td", style) for style, cells in rows)
    end = f"<tfoot>{line(foot, 'td')}</tfoot>" if foot else ""
    titles = [(style, escape(text)) for style, text in head]
    top = f"<thead>{line(titles, 'th')}</thead>"
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody>{end}</table></div>'


def _names(report: Report) -> tuple[str, str, str, str]:
    """What the device's family calls the units."""
    units = fabric(report.target.family).units
    return units.lut, units.ff, units.bram, units.dsp


def _figures(resources: Resources | None) -> list[Cell]:
    return [_n(None if resources is None else float(getattr(resources, unit))) for unit in _UNITS]


def _pairs(estimated: Resources, made: Resources | None) -> list[Cell]:
    """LUT, FF and BRAM, each estimated and synthesised."""
    pairs = list(zip(_figures(estimated), _figures(made), strict=True))[:3]
    return [cell for pair in pairs for cell in pair]


def _tile(value: str, what: str) -> str:
    return f'<div class="tile"><b>{value}</b><span>{escape(what)}</span></div>'


def _tiles(report: Report) -> str:
    micro = report.cycles_per_window / report.target.clock_mhz
    taken = report.resources.synthesized or report.resources.estimated
    source = "synthesised" if report.resources.synthesized else "estimated"
    share = 100 * taken.lut / report.resources.available.lut
    wrong = sum(entry.mismatches for entry in report.verification)
    values = sum(entry.values for entry in report.verification)
    state = f'<span class="bad">{wrong:,}</span>' if wrong else '<span class="good">0</span>'
    tiles = [
        _tile(f"{report.cycles_per_window:,}", "cycles a window"),
        _tile(f"{report.windows_per_second:,.0f}", f"windows a second at {report.target.clock_mhz:g} MHz"),
        _tile(f"{micro:,.4g} µs", "between windows"),
        _tile(f"{report.latency_cycles / report.target.clock_mhz:,.4g} µs", "latency"),
        _tile(f"{taken.lut:,}", f"{_names(report)[0]} {source}, {share:.0f} % of the device"),
        _tile(
            state if values else "–",
            f"mismatches in {values:,} values compared" if values else "nothing compared yet",
        ),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _resources(report: Report) -> str:
    rows = [("", [_t("estimated"), *_figures(report.resources.estimated)])]
    rows.append(("", [_t("synthesised by Yosys"), *_figures(report.resources.synthesized)]))
    rows.append(("plumbing", [_t(f"available on {report.target.part}"), *_figures(report.resources.available)]))
    return _table([("", ""), *(("n", name) for name in _names(report))], rows)


def _stage(row: StageRow) -> tuple[str, Sequence[Cell]]:
    folding = f"{row.folding.pe} × {row.folding.simd}" if row.folding else ""
    plumbing = row.kernel in _PLUMBING
    cells = [
        _t(row.name),
        _t(row.kernel.removeprefix("bhc_") + (f" {row.depth}" if row.depth else "")),
        _t(folding, "n"),
        _n(row.cycles or None),
        _n(row.macs or None),
        _n(row.weight_bits or None),
        _t(row.memory or ""),
        *_pairs(row.resources, row.synthesized),
        _t("" if plumbing else ", ".join(row.origin), "origin"),
    ]
    return "plumbing" if plumbing else "", cells


def _stages(report: Report) -> str:
    head = [
        ("", "stage"),
        ("", "kernel"),
        ("n", "PE × SIMD"),
        ("n", "cycles"),
        ("n", "MACs"),
        ("n", "weight bits"),
        ("", "weights in"),
        *(("n", title) for name in _names(report)[:3] for title in (f"{name} est.", "syn.")),
        ("", "from"),
    ]
    total = [
        _t("total"),
        *[_t("")] * 2,
        _n(report.cycles_per_window),
        _n(sum(row.macs for row in report.stages)),
        _n(sum(row.weight_bits for row in report.stages)),
        _t(""),
        *_pairs(report.resources.estimated, report.resources.synthesized),
        _t(""),
    ]
    return _table(head, (_stage(row) for row in report.stages), total)


def _comparison(entry: Verification) -> tuple[str, Sequence[Cell]]:
    percent = [None if value is None else f"{100 * value:.2f} %" for value in (entry.agreement, entry.accuracy)]
    with_ = "" if entry.stalls is None else f" with stalls (seed {entry.stalls})"
    state: Cell = ("n bad" if entry.mismatches else "n good", f"{entry.mismatches:,}")
    cells = [
        _t(entry.against + with_),
        *(_n(value) for value in (entry.windows, entry.stages, entry.values)),
        state,
        _n(entry.ambiguous),
        *(_t(text or "–", "n") for text in percent),
        _n(entry.cycles_per_window_measured),
        _n(entry.latency_cycles_measured),
    ]
    return "", cells


def _verification(report: Report) -> str:
    if not report.verification:
        return _NOTHING_COMPARED
    head = [("", "simulator against")]
    head += [("n", name) for name in ("windows", "stages", "values", "mismatches", "ambiguous")]
    head += [("n", name) for name in ("same class", "accuracy", "cycles a window", "latency")]
    wrong = [entry for entry in report.verification if entry.first]
    notes = "".join(
        f'<p class="bad">First difference from {entry.against}: {escape(str(entry.first))}</p>' for entry in wrong
    )
    return _table(head, map(_comparison, report.verification)) + notes


def _skipping(report: Report) -> str:
    """What skips, and what that was predicted to save."""
    found = report.delta
    if found is None:
        return ""
    source = f"{found.windows:,} windows or hops" if found.calibrated else "a guess: nothing was calibrated"
    head = [("", "layer"), ("", "choice"), ("n", "changes")]
    head += [("n", f"{what} {kind}") for what in ("cycles", "LUT") for kind in ("dense", "delta")]
    head += [("n", "cycles counted"), ("n", "at worst"), ("", "why dense")]
    counted = {}
    if report.activity is not None:
        counted = {row.stage: row.busy / report.activity.windows for row in report.activity.stages}

    def line(row: Row) -> tuple[str, Sequence[Cell]]:
        share = "–" if row.flip_rate is None else f"{100 * row.flip_rate:.1f} %"
        predicted = (row.cycles_dense, row.cycles_delta, row.lut_dense, row.lut_delta)
        figures = (*predicted, counted.get(row.name), row.cycles_worst)
        return "", [_t(row.name), _t(row.choice), _t(share, "n"), *map(_n, figures), _t(row.why_dense or "")]

    note = f"<p>Predicted from {source}. Both kinds of a layer have as many lanes.</p>"
    return "<h2>Skipping</h2>" + note + _table(head, map(line, found.stages))


def _model(report: Report) -> str:
    def shapes(names: str, tensors: Iterable[tuple[str, tuple[int, ...]]]) -> str:
        listed = ", ".join(f"<code>{escape(name)}</code> {' × '.join(map(str, shape))}" for name, shape in tensors)
        return f"<p>{names}: {listed}</p>"

    exactness = report.exactness
    doubt = (
        f"in {exactness.ambiguous_channels:,} of them float32 arithmetic may decide otherwise, "
        "for some value that can occur"
        if exactness.ambiguous_channels
        else "in none of them can float32 arithmetic decide otherwise"
    )
    return "".join(
        [
            shapes("Input", ((t.name, t.shape) for t in report.model.inputs)),
            shapes("Output", ((t.name, t.shape) for t in report.model.outputs)),
            f"<p>Classes: {escape(', '.join(report.model.classes))}</p>" if report.model.classes else "",
            f"<p>Thresholds in {exactness.channels:,} channels, each exact; {doubt}.</p>",
            f'<p class="dim">SHA-256 of the model <code>{report.model.sha256}</code></p>',
        ]
    )


def page(report: Report) -> str:
    """The whole file."""
    title = escape(report.model.name)
    target = f"{escape(report.target.board)} ({escape(report.target.part)}) at {report.target.clock_mhz:g} MHz"
    body = [
        f"<h1>{title}</h1>",
        f'<p class="dim">compiled for {target} · backend {report.backend} · bhc {escape(report.bhc)}</p>',
        _tiles(report),
        "<h2>Verification</h2>",
        _verification(report),
        "<h2>Pipeline</h2>",
        _LEGEND,
        f'<div class="scroll picture">{svg.picture(report)}</div>',
        "<h2>Resources</h2>",
        _resources(report),
        "<h2>Stages</h2>",
        _stages(report),
        _skipping(report),
        "<h2>Model and exactness</h2>",
        _model(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · bhc</title><style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )
