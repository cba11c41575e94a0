// Simulation models of ECP5 cells that Yosys has as black boxes, or starts with a value that the netlist does not
// ask for (Lattice FPGA-TN-02200 and FPGA-TN-02204). Modes that synthesis does not use are refused.
//
// The cells of a family are in one file, and have ports and parameters that matter in other modes only.
// verilator lint_off DECLFILENAME
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off UNUSEDPARAM

// A flip-flop starts with a random value: whoever needs another must reset it.
module TRELLIS_FF #(
  parameter string GSR = "ENABLED",
  parameter string CEMUX = "1",
  parameter string CLKMUX = "CLK",
  parameter string LSRMUX = "LSR",
  parameter string SRMODE = "LSR_OVER_CE",
  parameter string REGSET = "RESET"
) (
  input  logic CLK,
  input  logic LSR,
  input  logic CE,
  input  logic DI,
  output logic Q
);
  if (CLKMUX != "CLK" || SRMODE != "LSR_OVER_CE") begin : gen_refused
    $fatal(1, "netlist: this mode of TRELLIS_FF has no model");
  end
  logic load, set;
  assign load = CEMUX == "CE" ? CE : CEMUX == "INV" ? !CE : CEMUX != "0";
  assign set = LSRMUX == "INV" ? !LSR : LSR;
  always @(posedge CLK) begin
    if (set) Q <= REGSET == "SET";
    else if (load) Q <= DI;
  end
endmodule

// A memory of 18 Kbit with two ports, or, of 36 bits, one that writes (A; ADA3..0 are the byte enables) and one that
// reads (B; its lower half comes out at A).
module DP16KD #(
  parameter int DATA_WIDTH_A = 18,
  parameter int DATA_WIDTH_B = 18,
  parameter string REGMODE_A = "NOREG",
  parameter string REGMODE_B = "NOREG",
  parameter string RESETMODE = "SYNC",
  parameter string ASYNC_RESET_RELEASE = "SYNC",
  parameter string CSDECODE_A = "0b000",
  parameter string CSDECODE_B = "0b000",
  parameter string WRITEMODE_A = "NORMAL",
  parameter string WRITEMODE_B = "NORMAL",
  parameter string CLKAMUX = "CLKA",
  parameter string CLKBMUX = "CLKB",
  parameter string GSR = "ENABLED",
  parameter logic [319:0]
    INITVAL_00 = '0, INITVAL_01 = '0, INITVAL_02 = '0, INITVAL_03 = '0, INITVAL_04 = '0, INITVAL_05 = '0,
    INITVAL_06 = '0, INITVAL_07 = '0, INITVAL_08 = '0, INITVAL_09 = '0, INITVAL_0A = '0, INITVAL_0B = '0,
    INITVAL_0C = '0, INITVAL_0D = '0, INITVAL_0E = '0, INITVAL_0F = '0, INITVAL_10 = '0, INITVAL_11 = '0,
    INITVAL_12 = '0, INITVAL_13 = '0, INITVAL_14 = '0, INITVAL_15 = '0, INITVAL_16 = '0, INITVAL_17 = '0,
    INITVAL_18 = '0, INITVAL_19 = '0, INITVAL_1A = '0, INITVAL_1B = '0, INITVAL_1C = '0, INITVAL_1D = '0,
    INITVAL_1E = '0, INITVAL_1F = '0, INITVAL_20 = '0, INITVAL_21 = '0, INITVAL_22 = '0, INITVAL_23 = '0,
    INITVAL_24 = '0, INITVAL_25 = '0, INITVAL_26 = '0, INITVAL_27 = '0, INITVAL_28 = '0, INITVAL_29 = '0,
    INITVAL_2A = '0, INITVAL_2B = '0, INITVAL_2C = '0, INITVAL_2D = '0, INITVAL_2E = '0, INITVAL_2F = '0,
    INITVAL_30 = '0, INITVAL_31 = '0, INITVAL_32 = '0, INITVAL_33 = '0, INITVAL_34 = '0, INITVAL_35 = '0,
    INITVAL_36 = '0, INITVAL_37 = '0, INITVAL_38 = '0, INITVAL_39 = '0, INITVAL_3A = '0, INITVAL_3B = '0,
    INITVAL_3C = '0, INITVAL_3D = '0, INITVAL_3E = '0, INITVAL_3F = '0
) (
  input  logic
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
  input  logic
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input  logic CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output logic
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
  input  logic
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
  input  logic
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input  logic CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output logic
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0
);
  // What a port reads of what it writes.
  localparam bit [1:0] OwnA = WRITEMODE_A == "WRITETHROUGH" ? 2'd1 : WRITEMODE_A == "READBEFOREWRITE" ? 2'd2 : 2'd0;
  localparam bit [1:0] OwnB = WRITEMODE_B == "WRITETHROUGH" ? 2'd1 : WRITEMODE_B == "READBEFOREWRITE" ? 2'd2 : 2'd0;
  localparam bit Pseudo = DATA_WIDTH_A == 36;
  if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB" || CSDECODE_A != "0b000" ||
      CSDECODE_B != "0b000" || DATA_WIDTH_B == 36 && !Pseudo) begin : gen_refused
    $fatal(1, "netlist: this mode of DP16KD has no model");
  end

  logic [13:0] addr_a, addr_b;
  logic [17:0] out_a, out_b;
  logic [3:0] we_a, we_b;
  logic [1:0][71:0] data;
  assign addr_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  assign addr_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
           DOA1, DOA0} = out_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
           DOB1, DOB0} = out_b;
  assign we_a = !WEA ? 4'd0 : DATA_WIDTH_A < 18 ? 4'd1 : Pseudo ? addr_a[3:0] : {2'd0, addr_a[1:0]};
  assign we_b = !WEB ? 4'd0 : DATA_WIDTH_B < 18 ? 4'd1 : {2'd0, addr_b[1:0]};
  assign out_a = Pseudo ? data[1][17:0] : data[0][17:0];
  assign out_b = DATA_WIDTH_B == 36 ? data[1][35:18] : data[1][17:0];

  bhc_block_ram #(
    .Width({32'(DATA_WIDTH_B), 32'(DATA_WIDTH_A)}),
    .Own({OwnB, OwnA}),
    .Reset(2),
    .PairBits(20),
    .Init({INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
      INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
      INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
      INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
      INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
      INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
      INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
      INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00})
  ) u_ram (
    .clk_a_i(CLKA),
    .clk_b_i(CLKB),
    .en_i({CEB && {CSB2, CSB1, CSB0} == 3'd0, CEA && {CSA2, CSA1, CSA0} == 3'd0}),
    .rst_i({RSTB, RSTA}),
    .we_i({4'd0, we_b, 4'd0, we_a}),
    .addr_i({2'd0, addr_b, 2'd0, addr_a}),
    .data_i({54'd0, DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
              DIB2, DIB1, DIB0,
              36'd0, DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
              DIB2, DIB1, DIB0,
              DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
              DIA2, DIA1, DIA0}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLKB) begin
    if (RESETMODE == "ASYNC" && (RSTA || RSTB)) $fatal(1, "netlist: asynchronous reset of DP16KD has no model");
  end
endmodule
