// Clock circuits of the families, as far as bhc_board uses them: the frequency that their data sheets give for the parameters, after
// a while, and then a lock. A frequency out of the oscillator's range is fatal.
`timescale 1ns / 1ps

// What they have in common: Multiply / Divide times clk_i, from an oscillator that runs Post times as fast.
module pll #(
  parameter int Multiply = 1,
  parameter int Divide = 1,
  parameter int Post = 1,
  parameter real Least = 0,
  parameter real Most = 0
) (
  input  logic clk_i,
  output logic clk_o,
  output logic locked_o
);
  real last, given, period;
  int edges;
  always @(posedge clk_i) begin
    given = $realtime - last;
    last = $realtime;
    edges = edges + 1;
  end
  initial begin
    clk_o = 1'b0;
    locked_o = 1'b0;
    edges = 0;
    last = 0;
    wait (edges == 4);
    period = given * Divide / Multiply;
    if (1000.0 / period * Post < Least || 1000.0 / period * Post > Most)
      $fatal(1, "the oscillator runs at %f MHz", 1000.0 / period * Post);
    repeat (40) begin
      #(period / 2) clk_o = ~clk_o;
    end
    locked_o = 1'b1;
    forever #(period / 2) clk_o = ~clk_o;
  end
endmodule

module SB_PLL40_PAD #(
  parameter FEEDBACK_PATH = "",
  parameter logic [3:0] DIVR = 0,
  parameter logic [6:0] DIVF = 0,
  parameter logic [2:0] DIVQ = 0,
  parameter logic [2:0] FILTER_RANGE = 0
) (
  input  logic PACKAGEPIN,
  output logic PLLOUTGLOBAL,
  output logic LOCK,
  input  logic RESETB,
  input  logic BYPASS
);
  pll #(.Multiply(DIVF + 1), .Divide((DIVR + 1) << DIVQ), .Post(1 << DIVQ), .Least(533), .Most(1066))
    u_pll (.clk_i(PACKAGEPIN), .clk_o(PLLOUTGLOBAL), .locked_o(LOCK));
endmodule

module EHXPLLL #(
  parameter int CLKI_DIV = 1,
  parameter int CLKFB_DIV = 1,
  parameter int CLKOP_DIV = 1,
  parameter int CLKOP_CPHASE = 0,
  parameter CLKOP_ENABLE = "",
  parameter FEEDBK_PATH = ""
) (
  input  logic CLKI,
  output logic CLKOP,
  input  logic CLKFB,
  output logic LOCK,
  input  logic RST,
  input  logic STDBY,
  input  logic PHASESEL0,
  input  logic PHASESEL1,
  input  logic PHASEDIR,
  input  logic PHASESTEP,
  input  logic PHASELOADREG,
  input  logic PLLWAKESYNC,
  input  logic ENCLKOP
);
  pll #(.Multiply(CLKFB_DIV), .Divide(CLKI_DIV), .Post(CLKOP_DIV), .Least(400), .Most(800))
    u_pll (.clk_i(CLKI), .clk_o(CLKOP), .locked_o(LOCK));
endmodule

module rPLL #(
  parameter FCLKIN = "",
  parameter int IDIV_SEL = 0,
  parameter int FBDIV_SEL = 0,
  parameter int ODIV_SEL = 8,
  parameter DEVICE = ""
) (
  input  logic CLKIN,
  output logic CLKOUT,
  output logic LOCK,
  input  logic RESET,
  input  logic RESET_P,
  input  logic CLKFB,
  input  logic [5:0] FBDSEL,
  input  logic [5:0] IDSEL,
  input  logic [5:0] ODSEL,
  input  logic [3:0] PSDA,
  input  logic [3:0] DUTYDA,
  input  logic [3:0] FDLY
);
  pll #(.Multiply(FBDIV_SEL + 1), .Divide(IDIV_SEL + 1), .Post(ODIV_SEL), .Least(500), .Most(1250))
    u_pll (.clk_i(CLKIN), .clk_o(CLKOUT), .locked_o(LOCK));
endmodule
