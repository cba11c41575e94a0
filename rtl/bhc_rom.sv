// Read-only memory, synchronous read with enable: data_o after an edge with en_i high is the word at addr_i.
//
// Depth > 1: contents come from File ($readmemh, one word of Width bits a line, word 0 first).
// Depth = 1: data_o is the constant Init; no register, File and the inputs are ignored.
// Style: 0 the tool chooses, 1 LUTs, 2 block RAM. No reset: data_o is undefined until the first enabled edge.
module bhc_rom #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter int unsigned Style = 0,
  parameter File = "",
  parameter logic [Width-1:0] Init = '0,
  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1
) (
  input  logic                clk_i,
  input  logic                en_i,
  input  logic [AddrBits-1:0] addr_i,
  output logic [Width-1:0]    data_o
);
  if (Depth == 1) begin : gen_constant
    logic unused;
    assign unused = ^{clk_i, en_i, addr_i};
    assign data_o = Init;
  end else if (Style == 1 && Depth <= 8) begin : gen_shallow
    // A column is one of at most 256 functions of three address bits: with the register before the table, equal columns
    // share one LUT, and there are no flip-flops for data.
    (* ram_style = "registers", rom_style = "distributed" *) logic [Width-1:0] mem [Depth];
    logic [AddrBits-1:0] addr_q;
    initial $readmemh(File, mem);
    always_ff @(posedge clk_i) if (en_i) addr_q <= addr_i;
    assign data_o = mem[addr_q];
  end else if (Style == 1) begin : gen_lut
    // Vivado reads rom_style; Yosys takes ram_style first, and has no LUT RAM to read synchronously.
    (* ram_style = "registers", rom_style = "distributed" *) logic [Width-1:0] mem [Depth];
    initial $readmemh(File, mem);
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else if (Style == 2) begin : gen_block
    (* rom_style = "block", ram_style = "block" *) logic [Width-1:0] mem [Depth];
    initial $readmemh(File, mem);
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end else begin : gen_auto
    logic [Width-1:0] mem [Depth];
    initial $readmemh(File, mem);
    always_ff @(posedge clk_i) if (en_i) data_o <= mem[addr_i];
  end
endmodule
