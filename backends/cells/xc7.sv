// Simulation models of the block RAMs of AMD's 7-series, which Yosys has as black boxes (AMD UG473). Modes that
// synthesis does not use are refused.
//
// The cells of a family are in one file, and have ports and parameters that matter in other modes only.
// verilator lint_off DECLFILENAME
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off UNUSEDPARAM

// A memory of 18 Kbit: two ports (TDP), or one that reads (A) and one that writes (B), of up to 36 bits (SDP).
module RAMB18E1 #(
  parameter int DOA_REG = 0,
  parameter int DOB_REG = 0,
  parameter logic [17:0] INIT_A = '0,
  parameter logic [17:0] INIT_B = '0,
  parameter string RAM_MODE = "TDP",
  parameter int READ_WIDTH_A = 0,
  parameter int READ_WIDTH_B = 0,
  parameter int WRITE_WIDTH_A = 0,
  parameter int WRITE_WIDTH_B = 0,
  parameter string WRITE_MODE_A = "WRITE_FIRST",
  parameter string WRITE_MODE_B = "WRITE_FIRST",
  parameter logic [17:0] SRVAL_A = '0,
  parameter logic [17:0] SRVAL_B = '0,
  parameter bit IS_CLKARDCLK_INVERTED = 1'b0,
  parameter bit IS_CLKBWRCLK_INVERTED = 1'b0,
  parameter bit IS_ENARDEN_INVERTED = 1'b0,
  parameter bit IS_ENBWREN_INVERTED = 1'b0,
  parameter bit IS_RSTRAMARSTRAM_INVERTED = 1'b0,
  parameter bit IS_RSTRAMB_INVERTED = 1'b0,
  parameter bit IS_RSTREGARSTREG_INVERTED = 1'b0,
  parameter bit IS_RSTREGB_INVERTED = 1'b0,
  parameter logic [255:0]
    INIT_00 = '0, INIT_01 = '0, INIT_02 = '0, INIT_03 = '0, INIT_04 = '0, INIT_05 = '0,
    INIT_06 = '0, INIT_07 = '0, INIT_08 = '0, INIT_09 = '0, INIT_0A = '0, INIT_0B = '0,
    INIT_0C = '0, INIT_0D = '0, INIT_0E = '0, INIT_0F = '0, INIT_10 = '0, INIT_11 = '0,
    INIT_12 = '0, INIT_13 = '0, INIT_14 = '0, INIT_15 = '0, INIT_16 = '0, INIT_17 = '0,
    INIT_18 = '0, INIT_19 = '0, INIT_1A = '0, INIT_1B = '0, INIT_1C = '0, INIT_1D = '0,
    INIT_1E = '0, INIT_1F = '0, INIT_20 = '0, INIT_21 = '0, INIT_22 = '0, INIT_23 = '0,
    INIT_24 = '0, INIT_25 = '0, INIT_26 = '0, INIT_27 = '0, INIT_28 = '0, INIT_29 = '0,
    INIT_2A = '0, INIT_2B = '0, INIT_2C = '0, INIT_2D = '0, INIT_2E = '0, INIT_2F = '0,
    INIT_30 = '0, INIT_31 = '0, INIT_32 = '0, INIT_33 = '0, INIT_34 = '0, INIT_35 = '0,
    INIT_36 = '0, INIT_37 = '0, INIT_38 = '0, INIT_39 = '0, INIT_3A = '0, INIT_3B = '0,
    INIT_3C = '0, INIT_3D = '0, INIT_3E = '0, INIT_3F = '0,
  parameter logic [255:0]
    INITP_00 = '0, INITP_01 = '0, INITP_02 = '0, INITP_03 = '0, INITP_04 = '0, INITP_05 = '0,
    INITP_06 = '0, INITP_07 = '0
) (
  input  logic CLKARDCLK,
  input  logic CLKBWRCLK,
  input  logic ENARDEN,
  input  logic ENBWREN,
  input  logic REGCEAREGCE,
  input  logic REGCEB,
  input  logic RSTRAMARSTRAM,
  input  logic RSTRAMB,
  input  logic RSTREGARSTREG,
  input  logic RSTREGB,
  input  logic [13:0] ADDRARDADDR,
  input  logic [13:0] ADDRBWRADDR,
  input  logic [15:0] DIADI,
  input  logic [15:0] DIBDI,
  input  logic [1:0] DIPADIP,
  input  logic [1:0] DIPBDIP,
  input  logic [1:0] WEA,
  input  logic [3:0] WEBWE,
  output logic [15:0] DOADO,
  output logic [15:0] DOBDO,
  output logic [1:0] DOPADOP,
  output logic [1:0] DOPBDOP
);
  localparam bit Simple = RAM_MODE == "SDP";
  localparam int WidthA = READ_WIDTH_A != 0 ? READ_WIDTH_A : WRITE_WIDTH_A;
  localparam int WidthB = READ_WIDTH_B != 0 ? READ_WIDTH_B : WRITE_WIDTH_B;
  localparam bit WideIn = Simple && WidthB == 36;
  localparam bit WideOut = Simple && WidthA == 36;
  // What a port reads of what it writes.
  localparam bit [1:0] OwnA = WRITE_MODE_A == "WRITE_FIRST" ? 2'd1 : WRITE_MODE_A == "READ_FIRST" ? 2'd2 : 2'd0;
  localparam bit [1:0] OwnB = WRITE_MODE_B == "WRITE_FIRST" ? 2'd1 : WRITE_MODE_B == "READ_FIRST" ? 2'd2 : 2'd0;
  if (DOA_REG != 0 || DOB_REG != 0 || IS_CLKARDCLK_INVERTED || IS_CLKBWRCLK_INVERTED ||
      READ_WIDTH_A != 0 && WRITE_WIDTH_A != 0 && READ_WIDTH_A != WRITE_WIDTH_A ||
      READ_WIDTH_B != 0 && WRITE_WIDTH_B != 0 && READ_WIDTH_B != WRITE_WIDTH_B ||
      Simple && (READ_WIDTH_B != 0 || WRITE_WIDTH_A != 0)) begin : gen_refused
    $fatal(1, "netlist: this mode of RAMB18E1 has no model");
  end

  // Bytes with their parity bits.
  logic [1:0][71:0] data_in, data_out, reset_word;
  logic [31:0] in_b, out_a, reset_a;
  logic [3:0] inp_b, outp_a, resetp_a;
  assign in_b = WideIn ? {DIBDI, DIADI} : {16'd0, DIBDI};
  assign inp_b = WideIn ? {DIPBDIP, DIPADIP} : {2'd0, DIPBDIP};
  assign reset_a = {SRVAL_B[15:0], SRVAL_A[15:0]};
  assign resetp_a = WidthA == 9 ? 4'(SRVAL_A[8]) : {SRVAL_B[17:16], SRVAL_A[17:16]};
  always_comb begin
    data_in = '0;
    reset_word = '0;
    for (int k = 0; k < 4; ++k) begin
      data_in[1][9*k+:9] = {inp_b[k], in_b[8*k+:8]};
      reset_word[0][9*k+:9] = {resetp_a[k], reset_a[8*k+:8]};
      {outp_a[k], out_a[8*k+:8]} = data_out[0][9*k+:9];
    end
    for (int k = 0; k < 2; ++k) begin
      data_in[0][9*k+:9] = {DIPADIP[k], DIADI[8*k+:8]};
      reset_word[1][9*k+:9] = {WidthB == 9 ? SRVAL_B[8] : SRVAL_B[16+k], SRVAL_B[8*k+:8]};
      {DOPBDOP[k], DOBDO[8*k+:8]} = data_out[1][9*k+:9];
    end
    DOADO = out_a[15:0];
    DOPADOP = outp_a[1:0];
    if (WideOut) begin
      DOBDO = out_a[31:16];
      DOPBDOP = outp_a[3:2];
    end
  end

  bhc_block_ram #(
    .Units(2048),
    .Width({32'(WidthB), 32'(WidthA)}),
    .Own({OwnB, OwnA}),
    .Ordered({WRITE_MODE_B == "READ_FIRST", WRITE_MODE_A == "READ_FIRST"}),
    .UnitBits(8),
    .PairBits(16),
    .Init({INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38,
      INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30,
      INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28,
      INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20,
      INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18,
      INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10,
      INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08,
      INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00}),
    .Parity({INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
  ) u_ram (
    .clk_a_i(CLKARDCLK),
    .clk_b_i(CLKBWRCLK),
    .en_i({ENBWREN ^ IS_ENBWREN_INVERTED, ENARDEN ^ IS_ENARDEN_INVERTED}),
    .rst_i({RSTRAMB ^ IS_RSTRAMB_INVERTED, RSTRAMARSTRAM ^ IS_RSTRAMARSTRAM_INVERTED}),
    .we_i({WRITE_WIDTH_B == 0 ? 8'd0 : 8'(WEBWE), WRITE_WIDTH_A == 0 ? 8'd0 : 8'(WEA)}),
    .addr_i({2'd0, ADDRBWRADDR, 2'd0, ADDRARDADDR}),
    .data_i(data_in),
    .reset_word_i(reset_word),
    .data_o(data_out)
  );
endmodule

// A memory of 36 Kbit: two ports (TDP), or one that reads (A) and one that writes (B), of up to 72 bits (SDP).
module RAMB36E1 #(
  parameter int DOA_REG = 0,
  parameter int DOB_REG = 0,
  parameter logic [35:0] INIT_A = '0,
  parameter logic [35:0] INIT_B = '0,
  parameter string RAM_MODE = "TDP",
  parameter int READ_WIDTH_A = 0,
  parameter int READ_WIDTH_B = 0,
  parameter int WRITE_WIDTH_A = 0,
  parameter int WRITE_WIDTH_B = 0,
  parameter string WRITE_MODE_A = "WRITE_FIRST",
  parameter string WRITE_MODE_B = "WRITE_FIRST",
  parameter logic [35:0] SRVAL_A = '0,
  parameter logic [35:0] SRVAL_B = '0,
  parameter bit IS_CLKARDCLK_INVERTED = 1'b0,
  parameter bit IS_CLKBWRCLK_INVERTED = 1'b0,
  parameter bit IS_ENARDEN_INVERTED = 1'b0,
  parameter bit IS_ENBWREN_INVERTED = 1'b0,
  parameter bit IS_RSTRAMARSTRAM_INVERTED = 1'b0,
  parameter bit IS_RSTRAMB_INVERTED = 1'b0,
  parameter bit IS_RSTREGARSTREG_INVERTED = 1'b0,
  parameter bit IS_RSTREGB_INVERTED = 1'b0,
  parameter string EN_ECC_READ = "FALSE",
  parameter string EN_ECC_WRITE = "FALSE",
  parameter string RAM_EXTENSION_A = "NONE",
  parameter string RAM_EXTENSION_B = "NONE",
  parameter logic [255:0]
    INIT_00 = '0, INIT_01 = '0, INIT_02 = '0, INIT_03 = '0, INIT_04 = '0, INIT_05 = '0,
    INIT_06 = '0, INIT_07 = '0, INIT_08 = '0, INIT_09 = '0, INIT_0A = '0, INIT_0B = '0,
    INIT_0C = '0, INIT_0D = '0, INIT_0E = '0, INIT_0F = '0, INIT_10 = '0, INIT_11 = '0,
    INIT_12 = '0, INIT_13 = '0, INIT_14 = '0, INIT_15 = '0, INIT_16 = '0, INIT_17 = '0,
    INIT_18 = '0, INIT_19 = '0, INIT_1A = '0, INIT_1B = '0, INIT_1C = '0, INIT_1D = '0,
    INIT_1E = '0, INIT_1F = '0, INIT_20 = '0, INIT_21 = '0, INIT_22 = '0, INIT_23 = '0,
    INIT_24 = '0, INIT_25 = '0, INIT_26 = '0, INIT_27 = '0, INIT_28 = '0, INIT_29 = '0,
    INIT_2A = '0, INIT_2B = '0, INIT_2C = '0, INIT_2D = '0, INIT_2E = '0, INIT_2F = '0,
    INIT_30 = '0, INIT_31 = '0, INIT_32 = '0, INIT_33 = '0, INIT_34 = '0, INIT_35 = '0,
    INIT_36 = '0, INIT_37 = '0, INIT_38 = '0, INIT_39 = '0, INIT_3A = '0, INIT_3B = '0,
    INIT_3C = '0, INIT_3D = '0, INIT_3E = '0, INIT_3F = '0, INIT_40 = '0, INIT_41 = '0,
    INIT_42 = '0, INIT_43 = '0, INIT_44 = '0, INIT_45 = '0, INIT_46 = '0, INIT_47 = '0,
    INIT_48 = '0, INIT_49 = '0, INIT_4A = '0, INIT_4B = '0, INIT_4C = '0, INIT_4D = '0,
    INIT_4E = '0, INIT_4F = '0, INIT_50 = '0, INIT_51 = '0, INIT_52 = '0, INIT_53 = '0,
    INIT_54 = '0, INIT_55 = '0, INIT_56 = '0, INIT_57 = '0, INIT_58 = '0, INIT_59 = '0,
    INIT_5A = '0, INIT_5B = '0, INIT_5C = '0, INIT_5D = '0, INIT_5E = '0, INIT_5F = '0,
    INIT_60 = '0, INIT_61 = '0, INIT_62 = '0, INIT_63 = '0, INIT_64 = '0, INIT_65 = '0,
    INIT_66 = '0, INIT_67 = '0, INIT_68 = '0, INIT_69 = '0, INIT_6A = '0, INIT_6B = '0,
    INIT_6C = '0, INIT_6D = '0, INIT_6E = '0, INIT_6F = '0, INIT_70 = '0, INIT_71 = '0,
    INIT_72 = '0, INIT_73 = '0, INIT_74 = '0, INIT_75 = '0, INIT_76 = '0, INIT_77 = '0,
    INIT_78 = '0, INIT_79 = '0, INIT_7A = '0, INIT_7B = '0, INIT_7C = '0, INIT_7D = '0,
    INIT_7E = '0, INIT_7F = '0,
  parameter logic [255:0]
    INITP_00 = '0, INITP_01 = '0, INITP_02 = '0, INITP_03 = '0, INITP_04 = '0, INITP_05 = '0,
    INITP_06 = '0, INITP_07 = '0, INITP_08 = '0, INITP_09 = '0, INITP_0A = '0, INITP_0B = '0,
    INITP_0C = '0, INITP_0D = '0, INITP_0E = '0, INITP_0F = '0
) (
  input  logic CLKARDCLK,
  input  logic CLKBWRCLK,
  input  logic ENARDEN,
  input  logic ENBWREN,
  input  logic REGCEAREGCE,
  input  logic REGCEB,
  input  logic RSTRAMARSTRAM,
  input  logic RSTRAMB,
  input  logic RSTREGARSTREG,
  input  logic RSTREGB,
  input  logic CASCADEINA,
  input  logic CASCADEINB,
  input  logic INJECTDBITERR,
  input  logic INJECTSBITERR,
  output logic CASCADEOUTA,
  output logic CASCADEOUTB,
  output logic [7:0] ECCPARITY,
  output logic [8:0] RDADDRECC,
  output logic SBITERR,
  output logic DBITERR,
  input  logic [15:0] ADDRARDADDR,
  input  logic [15:0] ADDRBWRADDR,
  input  logic [31:0] DIADI,
  input  logic [31:0] DIBDI,
  input  logic [3:0] DIPADIP,
  input  logic [3:0] DIPBDIP,
  input  logic [3:0] WEA,
  input  logic [7:0] WEBWE,
  output logic [31:0] DOADO,
  output logic [31:0] DOBDO,
  output logic [3:0] DOPADOP,
  output logic [3:0] DOPBDOP
);
  localparam bit Simple = RAM_MODE == "SDP";
  localparam int WidthA = READ_WIDTH_A != 0 ? READ_WIDTH_A : WRITE_WIDTH_A;
  localparam int WidthB = READ_WIDTH_B != 0 ? READ_WIDTH_B : WRITE_WIDTH_B;
  localparam bit WideIn = Simple && WidthB == 72;
  localparam bit WideOut = Simple && WidthA == 72;
  // What a port reads of what it writes.
  localparam bit [1:0] OwnA = WRITE_MODE_A == "WRITE_FIRST" ? 2'd1 : WRITE_MODE_A == "READ_FIRST" ? 2'd2 : 2'd0;
  localparam bit [1:0] OwnB = WRITE_MODE_B == "WRITE_FIRST" ? 2'd1 : WRITE_MODE_B == "READ_FIRST" ? 2'd2 : 2'd0;
  if (DOA_REG != 0 || DOB_REG != 0 || IS_CLKARDCLK_INVERTED || IS_CLKBWRCLK_INVERTED ||
      EN_ECC_READ != "FALSE" || EN_ECC_WRITE != "FALSE" || RAM_EXTENSION_A != "NONE" || RAM_EXTENSION_B != "NONE" ||
      READ_WIDTH_A != 0 && WRITE_WIDTH_A != 0 && READ_WIDTH_A != WRITE_WIDTH_A ||
      READ_WIDTH_B != 0 && WRITE_WIDTH_B != 0 && READ_WIDTH_B != WRITE_WIDTH_B ||
      Simple && (READ_WIDTH_B != 0 || WRITE_WIDTH_A != 0)) begin : gen_refused
    $fatal(1, "netlist: this mode of RAMB36E1 has no model");
  end

  // Bytes with their parity bits.
  logic [1:0][71:0] data_in, data_out, reset_word;
  logic [63:0] in_b, out_a, reset_a;
  logic [7:0] inp_b, outp_a, resetp_a;
  assign in_b = WideIn ? {DIBDI, DIADI} : {32'd0, DIBDI};
  assign inp_b = WideIn ? {DIPBDIP, DIPADIP} : {4'd0, DIPBDIP};
  assign reset_a = {SRVAL_B[31:0], SRVAL_A[31:0]};
  assign resetp_a = WidthA == 9 ? 8'(SRVAL_A[8]) : {SRVAL_B[35:32], SRVAL_A[35:32]};
  always_comb begin
    data_in = '0;
    reset_word = '0;
    for (int k = 0; k < 8; ++k) begin
      data_in[1][9*k+:9] = {inp_b[k], in_b[8*k+:8]};
      reset_word[0][9*k+:9] = {resetp_a[k], reset_a[8*k+:8]};
      {outp_a[k], out_a[8*k+:8]} = data_out[0][9*k+:9];
    end
    for (int k = 0; k < 4; ++k) begin
      data_in[0][9*k+:9] = {DIPADIP[k], DIADI[8*k+:8]};
      reset_word[1][9*k+:9] = {WidthB == 9 ? SRVAL_B[8] : SRVAL_B[32+k], SRVAL_B[8*k+:8]};
      {DOPBDOP[k], DOBDO[8*k+:8]} = data_out[1][9*k+:9];
    end
    DOADO = out_a[31:0];
    DOPADOP = outp_a[3:0];
    if (WideOut) begin
      DOBDO = out_a[63:32];
      DOPBDOP = outp_a[7:4];
    end
  end

  assign {CASCADEOUTA, CASCADEOUTB, ECCPARITY, RDADDRECC, SBITERR, DBITERR} = '0;

  bhc_block_ram #(
    .Units(4096),
    .Width({32'(WidthB), 32'(WidthA)}),
    .Own({OwnB, OwnA}),
    .Ordered({WRITE_MODE_B == "READ_FIRST", WRITE_MODE_A == "READ_FIRST"}),
    .UnitBits(8),
    .PairBits(16),
    .Init({INIT_7F, INIT_7E, INIT_7D, INIT_7C, INIT_7B, INIT_7A, INIT_79, INIT_78,
      INIT_77, INIT_76, INIT_75, INIT_74, INIT_73, INIT_72, INIT_71, INIT_70,
      INIT_6F, INIT_6E, INIT_6D, INIT_6C, INIT_6B, INIT_6A, INIT_69, INIT_68,
      INIT_67, INIT_66, INIT_65, INIT_64, INIT_63, INIT_62, INIT_61, INIT_60,
      INIT_5F, INIT_5E, INIT_5D, INIT_5C, INIT_5B, INIT_5A, INIT_59, INIT_58,
      INIT_57, INIT_56, INIT_55, INIT_54, INIT_53, INIT_52, INIT_51, INIT_50,
      INIT_4F, INIT_4E, INIT_4D, INIT_4C, INIT_4B, INIT_4A, INIT_49, INIT_48,
      INIT_47, INIT_46, INIT_45, INIT_44, INIT_43, INIT_42, INIT_41, INIT_40,
      INIT_3F, INIT_3E, INIT_3D, INIT_3C, INIT_3B, INIT_3A, INIT_39, INIT_38,
      INIT_37, INIT_36, INIT_35, INIT_34, INIT_33, INIT_32, INIT_31, INIT_30,
      INIT_2F, INIT_2E, INIT_2D, INIT_2C, INIT_2B, INIT_2A, INIT_29, INIT_28,
      INIT_27, INIT_26, INIT_25, INIT_24, INIT_23, INIT_22, INIT_21, INIT_20,
      INIT_1F, INIT_1E, INIT_1D, INIT_1C, INIT_1B, INIT_1A, INIT_19, INIT_18,
      INIT_17, INIT_16, INIT_15, INIT_14, INIT_13, INIT_12, INIT_11, INIT_10,
      INIT_0F, INIT_0E, INIT_0D, INIT_0C, INIT_0B, INIT_0A, INIT_09, INIT_08,
      INIT_07, INIT_06, INIT_05, INIT_04, INIT_03, INIT_02, INIT_01, INIT_00}),
    .Parity({INITP_0F, INITP_0E, INITP_0D, INITP_0C, INITP_0B, INITP_0A, INITP_09, INITP_08,
      INITP_07, INITP_06, INITP_05, INITP_04, INITP_03, INITP_02, INITP_01, INITP_00})
  ) u_ram (
    .clk_a_i(CLKARDCLK),
    .clk_b_i(CLKBWRCLK),
    .en_i({ENBWREN ^ IS_ENBWREN_INVERTED, ENARDEN ^ IS_ENARDEN_INVERTED}),
    .rst_i({RSTRAMB ^ IS_RSTRAMB_INVERTED, RSTRAMARSTRAM ^ IS_RSTRAMARSTRAM_INVERTED}),
    .we_i({WRITE_WIDTH_B == 0 ? 8'd0 : 8'(WEBWE), WRITE_WIDTH_A == 0 ? 8'd0 : 8'(WEA)}),
    .addr_i({1'b0, ADDRBWRADDR[14:0], 1'b0, ADDRARDADDR[14:0]}),
    .data_i(data_in),
    .reset_word_i(reset_word),
    .data_o(data_out)
  );
endmodule
