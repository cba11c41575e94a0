// First-in first-out buffer of Depth beats.
//
//   Depth 0    wires: latency 0, no storage
//   Depth 1    one register; in_ready_o depends combinationally on out_ready_i
//   Depth 2    two registers; cuts every combinational path, in_ready_o included
//   Depth > 2  memory; in_ready_o and out_valid_o depend on registers only. LUT memory is read directly, block RAM holds
//              Depth-1 beats and its output latch one more.
// Style: 1 LUT memory, 2 block RAM, 0 block RAM if larger than 64 beats and 8 Kibit.
// One beat a cycle at any fill level. Latency 1; 2 with block RAM.
module bhc_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 2,
  parameter int unsigned Style = 0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] out_data_o
);
  if (Depth == 0) begin : gen_wires
    logic unused;
    assign unused = ^{clk_i, rst_ni};
    assign out_valid_o = in_valid_i;
    assign in_ready_o = out_ready_i;
    assign out_data_o = in_data_i;
  end else if (Depth == 1) begin : gen_register
    assign in_ready_o = !out_valid_o || out_ready_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) out_valid_o <= 1'b0;
      else if (in_ready_o) out_valid_o <= in_valid_i;
      if (in_ready_o) out_data_o <= in_data_i;
    end
  end else if (Depth == 2) begin : gen_skid
    // The spare register catches the beat that arrives in the cycle in which the output stalls.
    logic [Width-1:0] spare_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        out_valid_o <= 1'b0;
        in_ready_o <= 1'b1;
      end else if (!out_valid_o || out_ready_i) begin
        out_valid_o <= in_valid_i || !in_ready_o;
        in_ready_o <= 1'b1;
      end else if (in_valid_i) begin
        in_ready_o <= 1'b0;
      end
      if (!out_valid_o || out_ready_i) out_data_o <= in_ready_o ? in_data_i : spare_q;
      if (in_ready_o) spare_q <= in_data_i;
    end
  end else if (Style == 2 || (Style == 0 && Depth > 64 && Depth * Width > 8192)) begin : gen_block
    // The block RAM holds all beats but one, which is in its output latch. Its depth is rounded up to a power of two, so that
    // addresses wrap by themselves; `level_q`, the number of beats in it, does the rest.
    localparam int unsigned AddrBits = $clog2(Depth - 1);
    localparam int unsigned LevelBits = $clog2(Depth);
    logic [AddrBits-1:0] waddr, raddr;
    logic [LevelBits-1:0] level_q;
    logic push, pop, stored, free;

    assign free = !out_valid_o || out_ready_i;
    assign stored = level_q != '0;
    assign in_ready_o = level_q != LevelBits'(Depth - 1);
    assign push = in_valid_i && in_ready_o;
    assign pop = stored && free;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        level_q <= '0;
        out_valid_o <= 1'b0;
      end else begin
        if (push != pop) level_q <= level_q + (push ? LevelBits'(1) : '1);
        if (free) out_valid_o <= stored;
      end
    end
    bhc_pointer #(.Count(1 << AddrBits)) u_write (.clk_i, .rst_ni, .step_i(push), .count_o(waddr));
    bhc_pointer #(.Count(1 << AddrBits)) u_read (.clk_i, .rst_ni, .step_i(pop), .count_o(raddr));
    bhc_ram #(.Width(Width), .Depth(1 << AddrBits), .Style(2), .ReadLatency(1)) u_ram (
      .clk_i, .write_i(push), .waddr_i(waddr), .wdata_i(in_data_i),
      .read_i(pop), .clear_i(1'b0), .raddr_i(raddr), .rdata_o(out_data_o)
    );
  end else begin : gen_lut
    // Equal addresses: the memory is full if the last change was a push, else empty.
    localparam int unsigned AddrBits = $clog2(Depth);
    logic [AddrBits-1:0] waddr, raddr;
    logic push, pop, equal, pushed_q;

    assign equal = waddr == raddr;
    assign in_ready_o = !(equal && pushed_q);
    assign out_valid_o = !equal || pushed_q;
    assign push = in_valid_i && in_ready_o;
    assign pop = out_valid_o && out_ready_i;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) pushed_q <= 1'b0;
      else if (push != pop) pushed_q <= push;
    end
    bhc_pointer #(.Count(Depth)) u_write (.clk_i, .rst_ni, .step_i(push), .count_o(waddr));
    bhc_pointer #(.Count(Depth)) u_read (.clk_i, .rst_ni, .step_i(pop), .count_o(raddr));
    bhc_ram #(.Width(Width), .Depth(Depth), .Style(1), .ReadLatency(0)) u_ram (
      .clk_i, .write_i(push), .waddr_i(waddr), .wdata_i(in_data_i),
      .read_i(pop), .clear_i(1'b0), .raddr_i(raddr), .rdata_o(out_data_o)
    );
  end
endmodule
