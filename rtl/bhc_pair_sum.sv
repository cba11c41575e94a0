// Sum of pairs of products with bipolar weights, from the pairs' sums and differences, which many rows share.
//
//   sum_o = sum over the pairs p of (Offset - weight[2p] * (weights equal ? sum[p] : difference[p]))
//           + (OddBits > 0: weight[2*Pairs] = 1 ? odd_i : 2^OddBits - 1 - odd_i),
// modulo 2^OutBits, weights +1 (1) and -1 (0). So sum[p] is what the pair is worth under weights -1, -1, and difference[p] under
// -1, +1. They are two's complement, never the most negative number; Offset is 2^(ValueBits-1), or one less if Less = 1. Pair 0
// and weight 0 lie in the least significant bits. OutBits > ValueBits, unless there is one pair.
// Stages (0 to 2) pipeline registers, enabled by en_i, no reset: the last one is bhc_heap's, the other lies in the middle of the
// chains. What comes behind it is held for a cycle; synthesis makes one register of those of all rows.
//
// Chains of up to four adders, in which a LUT chooses a bit of the sum or the difference, inverts it, and adds it to the chain: one
// LUT a bit and pair. The 1 that makes an inverted number a negative one is the carry into its adder; carries out go to the
// heap that adds the chains up.
module bhc_pair_sum #(
  parameter int unsigned ValueBits = 9,
  parameter int unsigned Pairs = 4,
  parameter int unsigned OddBits = 0,
  parameter int unsigned Less = 0,
  parameter int unsigned OutBits = 12,
  parameter int unsigned Stages = 0,
  localparam int unsigned OddWidth = OddBits > 0 ? OddBits : 1,
  localparam int unsigned Weights = 2 * Pairs + (OddBits > 0 ? 1 : 0)
) (
  input  logic                       clk_i,
  input  logic                       en_i,
  input  logic [Pairs*ValueBits-1:0] sums_i,
  input  logic [Pairs*ValueBits-1:0] differences_i,
  input  logic [OddWidth-1:0]        odd_i,
  input  logic [Weights-1:0]         w_i,
  output logic [OutBits-1:0]         sum_o
);
  localparam int Longest = 4;
  localparam int Middle = Stages == 2 ? 2 : Longest;
  localparam int Chains = (int'(Pairs) + Longest - 1) / Longest;
  localparam int Odd = int'(OddBits);
  // The first adder of a chain takes the 1 that its pair has too much; those of the others are left.
  localparam logic [OutBits-1:0] Constant = Less != 0 ? -OutBits'(Pairs - Chains) : '0;

  function automatic int first(input int chain);
    first = chain * int'(Pairs) / Chains;
  endfunction

  // A column of the heap holds a bit of every chain, above those the carries, then one of the odd element and of the constant.
  function automatic int chained(input int column);
    chained = column < int'(ValueBits) ? Chains : column == int'(ValueBits) ? int'(Pairs) - Chains : 0;
  endfunction
  function automatic int height(input int column);
    height = chained(column) + (column < Odd ? 1 : 0) + (Constant[column] ? 1 : 0);
  endfunction
  function automatic int start(input int column);
    start = 0;
    for (int c = 0; c < column; c++) start = start + height(c);
  endfunction
  function automatic logic [16*OutBits-1:0] heights();
    for (int c = 0; c < OutBits; c++) heights[16*c +: 16] = 16'(height(c));
  endfunction
  localparam int Total = start(OutBits);

  // For the pairs behind the middle, and the odd element.
  logic [Pairs*ValueBits-1:0] sums_q, differences_q;
  logic [OddWidth-1:0] odd_q;
  logic [Weights-1:0] w_q;
  if (Stages == 2) begin : gen_reg
    // Held as bhc_group_dot has them, with all bits but the sign inverted: an inverter before a register would be a LUT.
    localparam logic [ValueBits-1:0] Low = {1'b0, {(ValueBits-1){1'b1}}};
    logic [Pairs*ValueBits-1:0] sums_held, differences_held;
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        sums_held <= sums_i ^ {Pairs{Low}};
        differences_held <= differences_i ^ {Pairs{Low}};
        odd_q <= odd_i;
        w_q <= w_i;
      end
    end
    assign sums_q = sums_held ^ {Pairs{Low}};
    assign differences_q = differences_held ^ {Pairs{Low}};
  end else begin : gen_wire
    assign sums_q = sums_i;
    assign differences_q = differences_i;
    assign odd_q = odd_i;
    assign w_q = w_i;
  end
  logic unused_inputs;
  assign unused_inputs = ^{sums_i, differences_i, w_i, sums_q, differences_q, odd_q, w_q};

  logic [Total-1:0] heap;
  for (genvar g = 0; g < Chains; g++) begin : gen_chain
    localparam int First = first(g);
    localparam int Last = first(g + 1) - 1;
    for (genvar p = First; p <= Last; p++) begin : gen_pair
      localparam bit Late = p - First >= Middle;
      logic plus, other;
      logic [ValueBits-1:0] value, so_far, same, opposite;
      assign {other, plus} = Late ? w_q[2*p +: 2] : w_i[2*p +: 2];
      assign same = Late ? sums_q[p*ValueBits +: ValueBits] : sums_i[p*ValueBits +: ValueBits];
      assign opposite = Late ? differences_q[p*ValueBits +: ValueBits] : differences_i[p*ValueBits +: ValueBits];
      // Offset binary.
      assign value = (plus ^ other ? opposite : same) ^ {~plus, {(ValueBits-1){plus}}};
      // so_far + value + plus. As a difference: Yosys (alumacc) puts the operands of a sum in an order of its own, and the first
      // one, which also feeds the carry chain, must be a signal that no LUT makes. keep: as in bhc_heap.
      (* keep *) logic [ValueBits+1:0] sum;
      assign sum = {1'b0, so_far, plus} - {1'b1, ~value, ~plus};
      // The carry and the sum, as those behind the middle see them.
      logic [ValueBits:0] done;
      if (!Late && Stages == 2) begin : gen_early
        always_ff @(posedge clk_i) if (en_i) done <= sum[ValueBits+1:1];
      end else begin : gen_late
        assign done = sum[ValueBits+1:1];
      end
      logic unused;
      assign unused = ^{done[ValueBits], sum};
      if (p == First) begin : gen_first
        assign so_far = {ValueBits{Less != 0}};
      end else begin : gen_next
        assign so_far = p - First == Middle ? gen_pair[p-1].done[ValueBits-1:0] : gen_pair[p-1].sum[ValueBits:1];
        assign heap[start(ValueBits) + p - g - 1] = done[ValueBits];
      end
    end
    for (genvar c = 0; c < ValueBits; c++) begin : gen_bit
      assign heap[start(c) + g] = gen_pair[Last].done[c];
    end
  end
  for (genvar c = 0; c < OutBits; c++) begin : gen_column
    if (c < Odd) begin : gen_odd
      assign heap[start(c) + chained(c)] = odd_q[c] ~^ w_q[2*Pairs];
    end
    if (Constant[c]) begin : gen_one
      assign heap[start(c+1) - 1] = 1'b1;
    end
  end
  bhc_heap #(.OutBits(OutBits), .Heights(heights()), .Total(Total), .Stages(Stages == 2 ? 1 : Stages)) u_heap (
    .clk_i, .en_i, .data_i(heap), .sum_o);
endmodule
