// Simulation models of the flip-flops of an iCE40 (Lattice FPGA-TN-02026), which Yosys starts with zero. These start
// with random values: whoever needs another must reset them.
//
// The cells of a family are in one file.
// verilator lint_off DECLFILENAME

module SB_DFF (output logic Q, input logic C, input logic D);
  always @(posedge C) Q <= D;
endmodule

module SB_DFFE (output logic Q, input logic C, input logic E, input logic D);
  always @(posedge C) if (E) Q <= D;
endmodule

module SB_DFFSR (output logic Q, input logic C, input logic R, input logic D);
  always @(posedge C) if (R) Q <= 1'b0; else Q <= D;
endmodule

module SB_DFFSS (output logic Q, input logic C, input logic S, input logic D);
  always @(posedge C) if (S) Q <= 1'b1; else Q <= D;
endmodule

module SB_DFFESR (output logic Q, input logic C, input logic E, input logic R, input logic D);
  always @(posedge C) if (E) Q <= R ? 1'b0 : D;
endmodule

module SB_DFFESS (output logic Q, input logic C, input logic E, input logic S, input logic D);
  always @(posedge C) if (E) Q <= S ? 1'b1 : D;
endmodule
