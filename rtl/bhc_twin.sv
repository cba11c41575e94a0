// Read-only memory with two ports, synchronous reads: after an edge with en_i high, half i of data_o is the word at address i
// (of Depth words of Width bits) if read_i[i] was high, else zero.
//
// Depth > 1: contents come from File ($readmemh, one word of Width bits a line, word 0 first). Depth = 1: the word is Init.
// Style: 0 the tool chooses, 1 LUTs, 2 block RAM. A word that is not read costs no logic a bit: zero is the synchronous reset
// of the flip-flops, or of a block RAM's output latch. No reset otherwise.
module bhc_twin #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter int unsigned Style = 0,
  parameter File = "",
  parameter logic [Width-1:0] Init = '0,
  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1
) (
  input  logic                  clk_i,
  input  logic                  en_i,
  input  logic [1:0]            read_i,
  input  logic [2*AddrBits-1:0] addr_i,
  output logic [2*Width-1:0]    data_o
);
  // Vivado reads rom_style; Yosys takes ram_style first, and has no LUT RAM to read synchronously.
  // verilator lint_off UNUSEDPARAM
  localparam RamStyle = Style == 1 ? "registers" : Style == 2 ? "block" : "auto";
  localparam RomStyle = Style == 1 ? "distributed" : Style == 2 ? "block" : "auto";
  // verilator lint_on UNUSEDPARAM

  logic [AddrBits-1:0] addr_a, addr_b;
  logic [Width-1:0] a_q, b_q;
  assign {addr_b, addr_a} = addr_i;
  assign data_o = {b_q, a_q};

  if (Depth == 1) begin : gen_constant
    logic unused;
    assign unused = ^{addr_a, addr_b};
    always_ff @(posedge clk_i) if (en_i) a_q <= read_i[0] ? Init : '0;
    always_ff @(posedge clk_i) if (en_i) b_q <= read_i[1] ? Init : '0;
  end else begin : gen_memory
    (* ram_style = RamStyle, rom_style = RomStyle *) logic [Width-1:0] mem [Depth];
    initial $readmemh(File, mem);
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        if (read_i[0]) a_q <= mem[addr_a];
        else a_q <= '0;
      end
    end
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        if (read_i[1]) b_q <= mem[addr_b];
        else b_q <= '0;
      end
    end
  end
endmodule
