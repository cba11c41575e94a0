"""The generated top of a board, down to its pins: clock or PLL, reset, button, LED, and UART, in real time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import bhc
from bhc import boards
from bhc.backends import pins, shell
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import find_verilator, write
from bhc.backends.verilated import FLAGS, compile_program, recipe, verilate
from bhc.boards import Board
from bhc.link import Decoder, encode
from tests import tiny

HERE = Path(__file__).parent
DRIVER = "board_bench.cpp"
#: Opens session 5; asks in it.
OPEN, ASK = encode(bytes([0, shell.PROTOCOL, 5])), encode(bytes([5, 0, 0]))


def bench(board: Board) -> str:
    """A computer at 1,000,000 baud, a finger on the button, an eye on the LED."""
    assert board.clock is not None
    button, led = board.pins.get("reset"), board.pins["led"]
    pressed = 0 if button is None or button.active_low else 1
    lit = 0 if led.active_low else 1
    wires = ".clk_i(clk), .uart_rx_i(rx), .uart_tx_o(tx), .led_o(led)" + (
        "" if button is None else ", .reset_i(button)"
    )
    press = (
        ""
        if button is None
        else f"""\
    button = 1'b{pressed};
    #5000 $display("pressed: led %0d", led == 1'b{lit});
    button = ~button;
    #5000 $display("released: led %0d", led == 1'b{lit});
    send({len(ASK)}, {8 * 40}'h{ASK[::-1].hex()});
    #200000;
"""
    )
    return f"""\
`timescale 1ns / 1ps
module bench;
  logic clk = 1'b0, rx = 1'b1, tx, led;
  logic button = 1'b{1 - pressed};
  always #({500 / board.clock.mhz}) clk = ~clk;
  bhc_board u_board ({wires});

  task automatic send(input int count, input logic [{8 * 40 - 1}:0] data);
    for (int i = 0; i < count; i++) begin
      rx = 1'b0;
      for (int bit_number = 0; bit_number < 8; bit_number++) #1000 rx = data[8 * i + bit_number];
      #1000 rx = 1'b1;
      #1000;
    end
  endtask

  logic [7:0] heard;
  initial forever begin
    @(negedge tx);
    #500;
    for (int i = 0; i < 8; i++) #1000 heard[i] = tx;
    #1000 if (tx !== 1'b1) $display("no stop bit");
    $display("heard %02x", heard);
  end

  initial begin
    #({3500 / board.clock.mhz}) $display("configured: led %0d", led == 1'b{lit});
    #5000 $display("running: led %0d", led == 1'b{lit});
    send({len(OPEN)}, {8 * 40}'h{OPEN[::-1].hex()});
    #500000;
{press}    $finish;
  end
endmodule
"""


@pytest.mark.slow
def test_boards(tmp_path: Path) -> None:
    """The board answers what the driver expects, forgets when its button is pressed, and shows that it runs."""
    pipeline = bhc.compile(tiny.save_model(tmp_path), target="icebreaker").pipeline
    for name, mhz in (("icebreaker", 12), ("ulx3s-85f", 50)):
        board = boards.load(name)
        placed = pins.emit(pipeline, board, mhz)
        extra = BuildPlan({"rtl/bench.sv": bench(board), "rtl/plls.sv": (HERE / "plls.sv").read_bytes()})
        sources = placed.plan | extra | BuildPlan({DRIVER: (HERE / DRIVER).read_bytes()})
        directory, logs = tmp_path / f"{name}-{mhz:g}", tmp_path / "logs"
        write(sources, directory)
        tool, _ = find_verilator()
        options = (*FLAGS, "--timing", "--Mdir", "model")
        verilate(tool, sources, "bench", directory, logs / f"{name}.log", options)
        flags = ("-std=c++20", "-fcoroutines")
        program = compile_program(directory, logs, name, DRIVER, recipe(sources), flags=flags)
        said = subprocess.run([program], cwd=directory, capture_output=True, text=True, check=True).stdout.splitlines()
        lines = [line for line in said if "heard" not in line and "$finish" not in line]
        wanted = ["configured: led 0", "running: led 1"]
        wire = bytes(int(line.split()[1], 16) for line in said if line.startswith("heard"))
        bodies = [bytes([5, 1, 0, 0, 0]) + shell.identity(pipeline)]
        if "reset" in board.pins:
            wanted += ["pressed: led 0", "released: led 1"]
            bodies.append(bytes(5))
        assert lines == wanted, name
        assert Decoder().feed(wire) == bodies, name
