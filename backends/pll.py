"""A design's clock, made of the board's: directly, or by the family's PLL.

The nearest frequency that the PLL has and that is not above the one asked for is taken. Diagnostics: BHC540 there is
none within 5 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import assert_never

from bhc.diagnostics import fail
from bhc.ir.fabric import Family

_WORST = 0.05
Settings = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """mhz: what comes out. lines: SystemVerilog that drives `clk` and `locked` from the pin `clk_i`."""

    mhz: float
    lines: tuple[str, ...]


_DIRECT = ("  assign clk = clk_i;", "  assign locked = 1'b1;")


def clock(family: Family, die: str | None, given_mhz: float, wanted_mhz: float) -> Clock:
    """The clock of a design. die: the device's name in nextpnr. Raises BhcError (BHC540)."""
    if given_mhz == wanted_mhz:
        return Clock(given_mhz, _DIRECT)
    able = [(round(mhz, 6), row) for mhz, row in _settings(family, given_mhz) if mhz <= wanted_mhz * (1 + 1e-9)]
    mhz, settings = max(able, key=lambda row: row[0], default=(0.0, ()))
    if mhz < (1 - _WORST) * wanted_mhz:
        nearest = min((row[0] for row in _settings(family, given_mhz)), key=lambda row: abs(row - wanted_mhz))
        raise fail(
            "BHC540",
            f"the PLL makes no {wanted_mhz:g} MHz of the board's {given_mhz:g} MHz",
            origin="--clock",
            hint=f"{given_mhz:g} MHz needs no PLL; the nearest that the PLL makes is {nearest:g} MHz",
        )
    return Clock(mhz, tuple(_lines(family, die or "", given_mhz, mhz, settings)))


def _settings(family: Family, given: float) -> Iterator[tuple[float, Settings]]:
    """Frequencies that a PLL makes, with its dividers; of equal ones the first is the best."""
    match family:
        case Family.ICE40:  # Lattice FPGA-TN-02052: phase detector 10 to 133 MHz, oscillator 533 to 1,066 MHz
            for r, f, q in product(range(16), range(128), range(1, 7)):
                compared = given / (r + 1)
                if 10 <= compared <= 133 and 533 <= compared * (f + 1) <= 1066:
                    yield compared * (f + 1) / 2**q, (r, f, q)
        case Family.ECP5:  # Lattice FPGA-TN-02200: 3.125 to 400 MHz, 400 to 800 MHz
            for r, f, q in product(range(1, 9), range(1, 81), range(1, 129)):
                if 3.125 <= given / r <= 400 and 400 <= given / r * f * q <= 800:
                    yield given / r * f, (r, f, q)
        case Family.GOWIN:  # Gowin UG286, for the slowest grades: 3 to 400 MHz, 400 to 1,200 MHz (GW2A: from 500 MHz)
            for r, f, q in product(range(64), range(64), (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)):
                mhz = given * (f + 1) / (r + 1)
                if given / (r + 1) >= 3 and 500 <= mhz * q <= 1200:
                    yield mhz, (r, f, q)
        case Family.XC7:  # AMD DS181, speed grade -1: phase detector 19 to 450 MHz, oscillator 800 to 1,600 MHz
            for r, f, q in product(range(1, 6), range(2, 65), range(1, 129)):
                if 19 <= given / r <= 450 and 800 <= given / r * f <= 1600:
                    yield given / r * f / q, (r, f, q)
        case _:
            assert_never(family)


def _instance(module: str, parameters: dict[str, str], ports: dict[str, str], attributes: str = "") -> list[str]:
    assigned = ", ".join(f".{name}({value})" for name, value in parameters.items())
    connected = ", ".join(f".{name}({value})" for name, value in ports.items())
    lines = [f"  {module} #({assigned})", f"    u_pll ({connected});"]
    return [f"  (* {attributes} *)", *lines] if attributes else lines


def _lines(family: Family, die: str, given: float, mhz: float, settings: Settings) -> list[str]:
    r, f, q = settings
    match family:
        case Family.ICE40:
            limits = (17, 26, 44, 66, 101)
            filtered = 1 + sum(given / (r + 1) >= limit for limit in limits)
            return _instance(
                "SB_PLL40_PAD",
                {
                    "FEEDBACK_PATH": '"SIMPLE"',
                    "DIVR": f"4'd{r}",
                    "DIVF": f"7'd{f}",
                    "DIVQ": f"3'd{q}",
                    "FILTER_RANGE": f"3'd{filtered}",
                },
                {
                    "PACKAGEPIN": "clk_i",
                    "PLLOUTGLOBAL": "clk",
                    "LOCK": "locked",
                    "RESETB": "1'b1",
                    "BYPASS": "1'b0",
                },
            )
        case Family.ECP5:
            return _instance(
                "EHXPLLL",
                {
                    "CLKI_DIV": str(r),
                    "CLKFB_DIV": str(f),
                    "CLKOP_DIV": str(q),
                    "CLKOP_CPHASE": str(q - 1),
                    "CLKOP_ENABLE": '"ENABLED"',
                    "FEEDBK_PATH": '"CLKOP"',
                },
                {
                    "CLKI": "clk_i",
                    "CLKOP": "clk",
                    "CLKFB": "clk",
                    "LOCK": "locked",
                    "RST": "1'b0",
                    "STDBY": "1'b0",
                    "PHASESEL0": "1'b0",
                    "PHASESEL1": "1'b0",
                    "PHASEDIR": "1'b1",
                    "PHASESTEP": "1'b1",
                    "PHASELOADREG": "1'b1",
                    "PLLWAKESYNC": "1'b0",
                    "ENCLKOP": "1'b0",
                },
                # As ecppll has them.
                f'FREQUENCY_PIN_CLKI="{given:g}", FREQUENCY_PIN_CLKOP="{mhz:g}", ICP_CURRENT="12", LPF_RESISTOR="8", '
                'MFG_ENABLE_FILTEROPAMP="1", MFG_GMCREF_SEL="2"',
            )
        case Family.GOWIN:
            device = {"GW1N-9C": "GW1NR-9C", "GW2A-18C": "GW2AR-18C"}.get(die, die)
            off = dict.fromkeys(("RESET", "RESET_P", "CLKFB"), "1'b0")
            zero = {
                name: f"{bits}'b0"
                for name, bits in (("FBDSEL", 6), ("IDSEL", 6), ("ODSEL", 6), ("PSDA", 4), ("DUTYDA", 4), ("FDLY", 4))
            }
            return _instance(
                "rPLL",
                {
                    "FCLKIN": f'"{given:g}"',
                    "IDIV_SEL": str(r),
                    "FBDIV_SEL": str(f),
                    "ODIV_SEL": str(q),
                    "DEVICE": f'"{device}"',
                },
                {"CLKIN": "clk_i", "CLKOUT": "clk", "LOCK": "locked", **off, **zero},
            )
        case Family.XC7:
            return [
                "  logic feedback, made;",
                *_instance(
                    "PLLE2_BASE",
                    {
                        "CLKIN1_PERIOD": f"{1000 / given:.3f}",
                        "DIVCLK_DIVIDE": str(r),
                        "CLKFBOUT_MULT": str(f),
                        "CLKOUT0_DIVIDE": str(q),
                    },
                    {
                        "CLKIN1": "clk_i",
                        "CLKFBIN": "feedback",
                        "CLKFBOUT": "feedback",
                        "CLKOUT0": "made",
                        "LOCKED": "locked",
                        "PWRDWN": "1'b0",
                        "RST": "1'b0",
                    },
                ),
                "  BUFG u_buffer (.I(made), .O(clk));",
            ]
        case _:
            assert_never(family)
