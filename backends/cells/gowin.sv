// Simulation models of Gowin cells that Yosys has as black boxes, or starts with a value that the netlist does not
// ask for (Gowin UG285, SUG283). Modes that synthesis does not use are refused.
//
// The cells of a family are in one file, and have ports and parameters that matter in other modes only.
// verilator lint_off DECLFILENAME
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off UNUSEDPARAM

// Flip-flops start with random values: whoever needs another must reset them.
module DFF (output logic Q, input logic CLK, input logic D);
  always @(posedge CLK) Q <= D;
endmodule

module DFFE (output logic Q, input logic CLK, input logic D, input logic CE);
  always @(posedge CLK) if (CE) Q <= D;
endmodule

module DFFS (output logic Q, input logic CLK, input logic D, input logic SET);
  always @(posedge CLK) if (SET) Q <= 1'b1; else Q <= D;
endmodule

module DFFSE (output logic Q, input logic CLK, input logic D, input logic CE, input logic SET);
  always @(posedge CLK) if (SET) Q <= 1'b1; else if (CE) Q <= D;
endmodule

module DFFR (output logic Q, input logic CLK, input logic D, input logic RESET);
  always @(posedge CLK) if (RESET) Q <= 1'b0; else Q <= D;
endmodule

module DFFRE (output logic Q, input logic CLK, input logic D, input logic CE, input logic RESET);
  always @(posedge CLK) if (RESET) Q <= 1'b0; else if (CE) Q <= D;
endmodule

module INV (output logic O, input logic I);
  assign O = !I;
endmodule

// A memory of 16 Kbit with one port; bytes of 8 bits.
module SP #(
  parameter bit READ_MODE = 1'b0,
  parameter int WRITE_MODE = 0,
  parameter int BIT_WIDTH = 32,
  parameter bit [2:0] BLK_SEL = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [255:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [31:0] DO,
  input  logic [31:0] DI,
  input  logic [2:0] BLKSEL,
  input  logic [13:0] AD,
  input  logic WRE, CLK, CE, OCE, RESET
);
  if (READ_MODE != 0 || BLK_SEL != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of SP has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {8'd0, !WRE ? 8'd0 : BIT_WIDTH < 16 ? 8'd1 : BIT_WIDTH == 16 ? 8'(AD[1:0]) : 8'(AD[3:0])};
  assign DO = {data[0][34:27], data[0][25:18], data[0][16:9], data[0][7:0]};

  bhc_block_ram #(
    .Width({32'd0, BIT_WIDTH < 8 ? 32'(BIT_WIDTH) : 32'(BIT_WIDTH / 8 * 9)}),
    .Own({2'd0, 2'(WRITE_MODE)}),
    .Reset(1),
    .UnitBits(8),
    .PairBits(16),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLK),
    .clk_b_i(CLK),
    .en_i({1'b0, CE && BLKSEL == 3'd0}),
    .rst_i({1'b0, RESET}),
    .we_i(we),
    .addr_i({16'd0, 2'd0, AD}),
    .data_i({72'd0, 36'd0, 1'b0, DI[31:24], 1'b0, DI[23:16], 1'b0, DI[15:8], 1'b0, DI[7:0]}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLK) begin
    if (RESET_MODE == "ASYNC" && RESET) $fatal(1, "netlist: asynchronous reset of SP has no model");
  end
endmodule

// A memory of 18 Kbit with one port; bytes of 9 bits.
module SPX9 #(
  parameter bit READ_MODE = 1'b0,
  parameter int WRITE_MODE = 0,
  parameter int BIT_WIDTH = 36,
  parameter bit [2:0] BLK_SEL = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [287:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [35:0] DO,
  input  logic [35:0] DI,
  input  logic [2:0] BLKSEL,
  input  logic [13:0] AD,
  input  logic WRE, CLK, CE, OCE, RESET
);
  if (READ_MODE != 0 || BLK_SEL != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of SPX9 has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {8'd0, !WRE ? 8'd0 : BIT_WIDTH < 18 ? 8'd1 : BIT_WIDTH == 18 ? 8'(AD[1:0]) : 8'(AD[3:0])};
  assign DO = data[0][35:0];

  bhc_block_ram #(
    .Width({32'd0, 32'(BIT_WIDTH)}),
    .Own({2'd0, 2'(WRITE_MODE)}),
    .Reset(1),
    .UnitBits(9),
    .PairBits(18),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLK),
    .clk_b_i(CLK),
    .en_i({1'b0, CE && BLKSEL == 3'd0}),
    .rst_i({1'b0, RESET}),
    .we_i(we),
    .addr_i({16'd0, 2'd0, AD}),
    .data_i({72'd0, 36'd0, DI}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLK) begin
    if (RESET_MODE == "ASYNC" && RESET) $fatal(1, "netlist: asynchronous reset of SPX9 has no model");
  end
endmodule

// A memory of 16 Kbit with two ports; bytes of 8 bits.
module DPB #(
  parameter bit READ_MODE0 = 1'b0,
  parameter bit READ_MODE1 = 1'b0,
  parameter int WRITE_MODE0 = 0,
  parameter int WRITE_MODE1 = 0,
  parameter int BIT_WIDTH_0 = 16,
  parameter int BIT_WIDTH_1 = 16,
  parameter bit [2:0] BLK_SEL_0 = 3'b000,
  parameter bit [2:0] BLK_SEL_1 = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [255:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [15:0] DOA, DOB,
  input  logic [15:0] DIA, DIB,
  input  logic [2:0] BLKSELA, BLKSELB,
  input  logic [13:0] ADA, ADB,
  input  logic WREA, WREB, CLKA, CLKB, CEA, CEB, OCEA, OCEB, RESETA, RESETB
);
  if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of DPB has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {!WREB ? 8'd0 : BIT_WIDTH_1 < 16 ? 8'd1 : BIT_WIDTH_1 == 16 ? 8'(ADB[1:0]) : 8'(ADB[3:0]),
               !WREA ? 8'd0 : BIT_WIDTH_0 < 16 ? 8'd1 : BIT_WIDTH_0 == 16 ? 8'(ADA[1:0]) : 8'(ADA[3:0])};
  assign DOA = {data[0][16:9], data[0][7:0]};
  assign DOB = {data[1][16:9], data[1][7:0]};

  bhc_block_ram #(
    .Width({BIT_WIDTH_1 < 8 ? 32'(BIT_WIDTH_1) : 32'(BIT_WIDTH_1 / 8 * 9),
            BIT_WIDTH_0 < 8 ? 32'(BIT_WIDTH_0) : 32'(BIT_WIDTH_0 / 8 * 9)}),
    .Own({2'(WRITE_MODE1), 2'(WRITE_MODE0)}),
    .Reset(1),
    .UnitBits(8),
    .PairBits(16),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLKA),
    .clk_b_i(CLKB),
    .en_i({CEB && BLKSELB == 3'd0, CEA && BLKSELA == 3'd0}),
    .rst_i({RESETB, RESETA}),
    .we_i(we),
    .addr_i({2'd0, ADB, 2'd0, ADA}),
    .data_i({54'd0, 1'b0, DIB[15:8], 1'b0, DIB[7:0],
              54'd0, 1'b0, DIA[15:8], 1'b0, DIA[7:0]}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLKB) begin
    if (RESET_MODE == "ASYNC" && (RESETA || RESETB)) $fatal(1, "netlist: asynchronous reset of DPB has no model");
  end
endmodule

// A memory of 18 Kbit with two ports; bytes of 9 bits.
module DPX9B #(
  parameter bit READ_MODE0 = 1'b0,
  parameter bit READ_MODE1 = 1'b0,
  parameter int WRITE_MODE0 = 0,
  parameter int WRITE_MODE1 = 0,
  parameter int BIT_WIDTH_0 = 18,
  parameter int BIT_WIDTH_1 = 18,
  parameter bit [2:0] BLK_SEL_0 = 3'b000,
  parameter bit [2:0] BLK_SEL_1 = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [287:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [17:0] DOA, DOB,
  input  logic [17:0] DIA, DIB,
  input  logic [2:0] BLKSELA, BLKSELB,
  input  logic [13:0] ADA, ADB,
  input  logic WREA, WREB, CLKA, CLKB, CEA, CEB, OCEA, OCEB, RESETA, RESETB
);
  if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of DPX9B has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {!WREB ? 8'd0 : BIT_WIDTH_1 < 18 ? 8'd1 : BIT_WIDTH_1 == 18 ? 8'(ADB[1:0]) : 8'(ADB[3:0]),
               !WREA ? 8'd0 : BIT_WIDTH_0 < 18 ? 8'd1 : BIT_WIDTH_0 == 18 ? 8'(ADA[1:0]) : 8'(ADA[3:0])};
  assign DOA = data[0][17:0];
  assign DOB = data[1][17:0];

  bhc_block_ram #(
    .Width({32'(BIT_WIDTH_1),
            32'(BIT_WIDTH_0)}),
    .Own({2'(WRITE_MODE1), 2'(WRITE_MODE0)}),
    .Reset(1),
    .UnitBits(9),
    .PairBits(18),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLKA),
    .clk_b_i(CLKB),
    .en_i({CEB && BLKSELB == 3'd0, CEA && BLKSELA == 3'd0}),
    .rst_i({RESETB, RESETA}),
    .we_i(we),
    .addr_i({2'd0, ADB, 2'd0, ADA}),
    .data_i({54'd0, DIB,
              54'd0, DIA}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLKB) begin
    if (RESET_MODE == "ASYNC" && (RESETA || RESETB)) $fatal(1, "netlist: asynchronous reset of DPX9B has no model");
  end
endmodule

// A memory of 16 Kbit with a port that writes (A) and one that reads (B); bytes of 8 bits.
module SDPB #(
  parameter bit READ_MODE = 1'b0,
  parameter int BIT_WIDTH_0 = 32,
  parameter int BIT_WIDTH_1 = 32,
  parameter bit [2:0] BLK_SEL_0 = 3'b000,
  parameter bit [2:0] BLK_SEL_1 = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [255:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [31:0] DO,
  input  logic [31:0] DI,
  input  logic [2:0] BLKSELA, BLKSELB,
  input  logic [13:0] ADA, ADB,
  input  logic CLKA, CLKB, CEA, CEB, OCE, RESETA, RESETB
);
  if (READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of SDPB has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {8'd0, !CEA ? 8'd0 : BIT_WIDTH_0 < 16 ? 8'd1 : BIT_WIDTH_0 == 16 ? 8'(ADA[1:0]) : 8'(ADA[3:0])};
  assign DO = {data[1][34:27], data[1][25:18], data[1][16:9], data[1][7:0]};

  bhc_block_ram #(
    .Width({BIT_WIDTH_1 < 8 ? 32'(BIT_WIDTH_1) : 32'(BIT_WIDTH_1 / 8 * 9),
            BIT_WIDTH_0 < 8 ? 32'(BIT_WIDTH_0) : 32'(BIT_WIDTH_0 / 8 * 9)}),
    .Own({2'd0, 2'd0}),
    .Reset(1),
    .UnitBits(8),
    .PairBits(16),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLKA),
    .clk_b_i(CLKB),
    .en_i({CEB && BLKSELB == 3'd0, CEA && BLKSELA == 3'd0}),
    .rst_i({RESETB, RESETA}),
    .we_i(we),
    .addr_i({2'd0, ADB, 2'd0, ADA}),
    .data_i({72'd0, 36'd0, 1'b0, DI[31:24], 1'b0, DI[23:16], 1'b0, DI[15:8], 1'b0, DI[7:0]}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLKB) begin
    if (RESET_MODE == "ASYNC" && (RESETA || RESETB)) $fatal(1, "netlist: asynchronous reset of SDPB has no model");
  end
endmodule

// A memory of 18 Kbit with a port that writes (A) and one that reads (B); bytes of 9 bits.
module SDPX9B #(
  parameter bit READ_MODE = 1'b0,
  parameter int BIT_WIDTH_0 = 36,
  parameter int BIT_WIDTH_1 = 36,
  parameter bit [2:0] BLK_SEL_0 = 3'b000,
  parameter bit [2:0] BLK_SEL_1 = 3'b000,
  parameter string RESET_MODE = "SYNC",
  parameter logic [287:0]
    INIT_RAM_00 = '0, INIT_RAM_01 = '0, INIT_RAM_02 = '0, INIT_RAM_03 = '0, INIT_RAM_04 = '0, INIT_RAM_05 = '0,
    INIT_RAM_06 = '0, INIT_RAM_07 = '0, INIT_RAM_08 = '0, INIT_RAM_09 = '0, INIT_RAM_0A = '0, INIT_RAM_0B = '0,
    INIT_RAM_0C = '0, INIT_RAM_0D = '0, INIT_RAM_0E = '0, INIT_RAM_0F = '0, INIT_RAM_10 = '0, INIT_RAM_11 = '0,
    INIT_RAM_12 = '0, INIT_RAM_13 = '0, INIT_RAM_14 = '0, INIT_RAM_15 = '0, INIT_RAM_16 = '0, INIT_RAM_17 = '0,
    INIT_RAM_18 = '0, INIT_RAM_19 = '0, INIT_RAM_1A = '0, INIT_RAM_1B = '0, INIT_RAM_1C = '0, INIT_RAM_1D = '0,
    INIT_RAM_1E = '0, INIT_RAM_1F = '0, INIT_RAM_20 = '0, INIT_RAM_21 = '0, INIT_RAM_22 = '0, INIT_RAM_23 = '0,
    INIT_RAM_24 = '0, INIT_RAM_25 = '0, INIT_RAM_26 = '0, INIT_RAM_27 = '0, INIT_RAM_28 = '0, INIT_RAM_29 = '0,
    INIT_RAM_2A = '0, INIT_RAM_2B = '0, INIT_RAM_2C = '0, INIT_RAM_2D = '0, INIT_RAM_2E = '0, INIT_RAM_2F = '0,
    INIT_RAM_30 = '0, INIT_RAM_31 = '0, INIT_RAM_32 = '0, INIT_RAM_33 = '0, INIT_RAM_34 = '0, INIT_RAM_35 = '0,
    INIT_RAM_36 = '0, INIT_RAM_37 = '0, INIT_RAM_38 = '0, INIT_RAM_39 = '0, INIT_RAM_3A = '0, INIT_RAM_3B = '0,
    INIT_RAM_3C = '0, INIT_RAM_3D = '0, INIT_RAM_3E = '0, INIT_RAM_3F = '0
) (
  output logic [35:0] DO,
  input  logic [35:0] DI,
  input  logic [2:0] BLKSELA, BLKSELB,
  input  logic [13:0] ADA, ADB,
  input  logic CLKA, CLKB, CEA, CEB, OCE, RESETA, RESETB
);
  if (READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0) begin : gen_refused
    $fatal(1, "netlist: this mode of SDPX9B has no model");
  end

  logic [1:0][71:0] data;
  logic [1:0][7:0] we;
  assign we = {8'd0, !CEA ? 8'd0 : BIT_WIDTH_0 < 18 ? 8'd1 : BIT_WIDTH_0 == 18 ? 8'(ADA[1:0]) : 8'(ADA[3:0])};
  assign DO = data[1][35:0];

  bhc_block_ram #(
    .Width({32'(BIT_WIDTH_1),
            32'(BIT_WIDTH_0)}),
    .Own({2'd0, 2'd0}),
    .Reset(1),
    .UnitBits(9),
    .PairBits(18),
    .Init({INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
      INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
      INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
      INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
      INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
      INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
      INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
      INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00})
  ) u_ram (
    .clk_a_i(CLKA),
    .clk_b_i(CLKB),
    .en_i({CEB && BLKSELB == 3'd0, CEA && BLKSELA == 3'd0}),
    .rst_i({RESETB, RESETA}),
    .we_i(we),
    .addr_i({2'd0, ADB, 2'd0, ADA}),
    .data_i({72'd0, 36'd0, DI}),
    .reset_word_i('0),
    .data_o(data)
  );

  always @(posedge CLKB) begin
    if (RESET_MODE == "ASYNC" && (RESETA || RESETB)) $fatal(1, "netlist: asynchronous reset of SDPX9B has no model");
  end
endmodule
