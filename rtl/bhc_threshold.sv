// Multi-level thresholding: per lane, count = number of thresholds t with x >= t, by a pipelined binary search.
//
//   out = Base + count, or Base + (2^Stages - 1 - count) where the channel's descending bit is set; the low OutBits bits.
//
// A channel has 2^Stages - 1 thresholds, ascending, of InBits+1 bits in the signedness of x (InKind: 0 unsigned, 1 signed).
// With the extra bit, "never reached" (largest value) and "always reached" (smallest value) can be written: spare thresholds of
// an ascending channel are never reached, those of a descending one always reached.
// Chunks words (C/Lanes, or 1 when all chunks share their thresholds); beats cycle through the chunks.
// Level s of the search (0 .. Stages-1) holds the thresholds T[i*2^(Stages-s) + 2^(Stages-s-1) - 1], i = 0 .. 2^s - 1.
//   Chunks > 1:  file {ThresholdsFile, "_<s>.hex"}: word chunk*2^s + i = [Lanes][InBits+1].
//   Chunks = 1:  ThresholdsInit, a constant: node 2^s - 1 + i in breadth-first order, [2^Stages-1][Lanes][InBits+1].
// AnyDescending = 1: DescendingFile has Chunks words [Lanes] (DescendingInit when Chunks = 1).
// One beat a cycle. Latency: Stages + 1. in_ready_o depends combinationally on out_ready_i.
module bhc_threshold #(
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned InBits = 8,
  parameter int unsigned InKind = 1,
  parameter int unsigned Stages = 1,
  parameter int unsigned OutBits = 1,
  parameter int Base = 0,
  parameter int unsigned ThresholdsStyle = 0,
  parameter ThresholdsFile = "",
  parameter logic [((1<<Stages)-1)*Lanes*(InBits+1)-1:0] ThresholdsInit = '0,
  parameter int unsigned AnyDescending = 0,
  parameter DescendingFile = "",
  parameter logic [Lanes-1:0] DescendingInit = '0
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,
  input  logic [Lanes*InBits-1:0]  in_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Lanes*OutBits-1:0] out_data_o
);
  localparam int unsigned TBits = InBits + 1;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;

  logic en;
  assign en = ~out_valid_o | out_ready_i;
  assign in_ready_o = en;

  // ---- Tags. Index 0: entering; index s: with the values of level s-1.
  logic [Stages:0] valid;
  logic [ChunkBits-1:0] chunk [Stages];
  assign valid[0] = in_valid_i;
  for (genvar s = 0; s < Stages; s++) begin : gen_valid
    always_ff @(posedge clk_i) begin
      if (!rst_ni) valid[s+1] <= 1'b0;
      else if (en) valid[s+1] <= valid[s];
    end
    if (s > 0) begin : gen_chunk
      always_ff @(posedge clk_i) if (en) chunk[s] <= chunk[s-1];
    end else if (Chunks > 1) begin : gen_count
      always_ff @(posedge clk_i) begin
        if (!rst_ni) chunk[0] <= '0;
        else if (en & in_valid_i) chunk[0] <= chunk[0] == ChunkBits'(Chunks - 1) ? '0 : chunk[0] + 1'b1;
      end
    end else begin : gen_no_count
      assign chunk[0] = '0;
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (en) out_valid_o <= valid[Stages];
  end

  logic [Lanes-1:0] descending;  // with the last level
  if (AnyDescending != 0) begin : gen_descending
    bhc_rom #(.Width(Lanes), .Depth(Chunks), .Style(1), .File(DescendingFile), .Init(DescendingInit))
      u_descending (.clk_i, .en_i(en), .addr_i(chunk[Stages-1]), .data_o(descending));
  end else begin : gen_ascending
    logic unused;
    assign unused = ^chunk[Stages-1];
    assign descending = '0;
  end

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [Stages-1:0] count;
    logic [OutBits-1:0] out_q;
    for (genvar s = 0; s < Stages; s++) begin : gen_level
      logic [InBits-1:0] x_q;
      logic [TBits-1:0] t;
      logic [s:0] bits;  // the search so far, this level's answer last
      if (s == 0) begin : gen_first
        always_ff @(posedge clk_i) if (en) x_q <= in_data_i[l*InBits +: InBits];
      end else begin : gen_next
        logic [s-1:0] node_q;
        always_ff @(posedge clk_i) begin
          if (en) begin
            x_q <= gen_level[s-1].x_q;
            node_q <= gen_level[s-1].bits;
          end
        end
        assign bits[s:1] = node_q;
      end
      if (InKind == 1) begin : gen_signed
        assign bits[0] = $signed({x_q[InBits-1], x_q}) >= $signed(t);
      end else begin : gen_unsigned
        assign bits[0] = {1'b0, x_q} >= t;
      end

      if (Chunks == 1 && s == 0) begin : gen_constant
        assign t = ThresholdsInit[l*TBits +: TBits];
      end else if (Chunks == 1) begin : gen_select
        logic [TBits-1:0] nodes [1<<s];
        logic [TBits-1:0] t_q;
        for (genvar i = 0; i < (1 << s); i++) begin : gen_node
          assign nodes[i] = ThresholdsInit[(((1<<s)-1+i)*Lanes+l)*TBits +: TBits];
        end
        always_ff @(posedge clk_i) if (en) t_q <= nodes[gen_level[s-1].bits];
        assign t = t_q;
      end else begin : gen_rom
        logic [ChunkBits+s-1:0] addr;
        logic [Lanes*TBits-1:0] word;
        if (s == 0) begin : gen_root
          assign addr = chunk[0];
        end else begin : gen_below
          assign addr = {chunk[s], gen_level[s-1].bits};
        end
        bhc_rom #(
          .Width(Lanes * TBits), .Depth(Chunks << s), .Style(ThresholdsStyle),
          .File({ThresholdsFile, "_", 8'("0" + s), ".hex"})
        ) u_rom (.clk_i, .en_i(en), .addr_i(addr), .data_o(word));
        assign t = word[l*TBits +: TBits];
        logic unused;
        assign unused = ^word;
      end
    end
    assign count = gen_level[Stages-1].bits ^ {Stages{descending[l]}};
    always_ff @(posedge clk_i) if (en & valid[Stages]) out_q <= OutBits'(unsigned'(Base) + 32'(count));
    assign out_data_o[l*OutBits +: OutBits] = out_q;
  end
endmodule
