"""Runs on a Zynq, as root: `python3 zynq_load.py FILE.bit FILE.bin MHZ` configures the FPGA, and sets its clock.

With PYNQ by its Bitstream, else by Linux's fpga_manager, which takes the .bin. Needs the standard library alone, and
Python 3.8.
"""

import shutil
import sys
from importlib import import_module
from pathlib import Path

MANAGER = Path("/sys/class/fpga_manager/fpga0")
FIRMWARE = Path("/lib/firmware")


def by_pynq(bit: str, mhz: float) -> bool:
    """Configure by PYNQ. False if it is not installed."""
    try:
        pynq = import_module("pynq")
    except ImportError:
        return False
    pynq.Bitstream(bit).download()
    pynq.Clocks.fclk0_mhz = mhz
    print(f"loaded by PYNQ, clock {pynq.Clocks.fclk0_mhz:g} MHz")
    return True


def by_manager(binary: str) -> None:
    """Configure by fpga_manager. The clock stays as the boot loader has set it."""
    if not (MANAGER / "firmware").exists():
        raise SystemExit("there is neither PYNQ nor the fpga_manager of AMD's Linux, with a file 'firmware'")
    FIRMWARE.mkdir(exist_ok=True)
    shutil.copyfile(binary, FIRMWARE / "bhc.bin")
    (MANAGER / "flags").write_text("0")
    (MANAGER / "firmware").write_text("bhc.bin")
    state = (MANAGER / "state").read_text().strip()
    if state != "operating":
        raise SystemExit(f"the FPGA was not configured: fpga_manager is in the state '{state}'")
    print("loaded by fpga_manager; the clock is what the boot loader has set")


def main(bit: str, binary: str, mhz: str) -> None:
    """What the command line says."""
    if not by_pynq(bit, float(mhz)):
        by_manager(binary)


if __name__ == "__main__":
    main(*sys.argv[1:])
