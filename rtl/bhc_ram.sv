// Simple dual-port memory: one write port, one read port, one clock.
//
// ReadLatency 1: rdata_o is a register; an edge with read_i high loads the word at raddr_i, or ClearWord when clear_i is high.
//                A word being written in the same cycle is read as it was before; with Collides = 0 as anything, for those who do
//                not look: block RAM that does not order the two by itself (iCE40) then takes no logic around it.
// ReadLatency 0: rdata_o is the word at raddr_i in the same cycle (LUT memories only); read_i and clear_i are ignored.
// Style: 0 the tool chooses, 1 LUTs, 2 block RAM. No reset: contents are undefined until written.
// The clear costs no logic a bit: it is the synchronous reset of the flip-flops, or of a block RAM's output latch.
module bhc_ram #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 32,
  parameter int unsigned Style = 0,
  parameter int unsigned ReadLatency = 1,
  parameter bit Collides = 1'b1,
  parameter logic [Width-1:0] ClearWord = '0,
  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1
) (
  input  logic                clk_i,
  input  logic                write_i,
  input  logic [AddrBits-1:0] waddr_i,
  input  logic [Width-1:0]    wdata_i,
  input  logic                read_i,
  input  logic                clear_i,
  input  logic [AddrBits-1:0] raddr_i,
  output logic [Width-1:0]    rdata_o
);
  // verilator lint_off UNUSEDPARAM
  localparam RamStyle = Style == 1 ? "distributed" : Style == 2 ? "block" : "auto";
  // verilator lint_on UNUSEDPARAM
  (* ram_style = RamStyle, no_rw_check = !Collides *) logic [Width-1:0] mem_q [Depth];

  always_ff @(posedge clk_i) if (write_i) mem_q[waddr_i] <= wdata_i;

  if (ReadLatency == 0) begin : gen_wire
    logic unused;
    assign unused = ^{read_i, clear_i, ClearWord};
    assign rdata_o = mem_q[raddr_i];
  end else begin : gen_register
    logic [Width-1:0] read;
`ifdef SYNTHESIS
    assign read = mem_q[raddr_i];
`else
    assign read = mem_q[raddr_i] ^ {Width{!Collides && write_i && waddr_i == raddr_i}};
`endif
    always_ff @(posedge clk_i) begin
      if (read_i) begin
        if (clear_i) rdata_o <= ClearWord;
        else rdata_o <= read;
      end
    end
  end
endmodule
