// Sum of weighted bits: sum_o = sum over columns c of 2^c * (number of ones in column c).
//
// data_i holds the columns one after another, column 0 lowest; column c has Heights[16*c +: 16] bits, Total in all. The sum must
// fit OutBits. Stages (0 to 2) pipeline registers, enabled by en_i, no reset: the last one before the final adders, the other
// after the first level of compressors.
//
// One instance does one level (every column is cut to about a sixth by bhc_compressor) and hands the rest to an instance of
// itself, until no column is taller than six; those six rows are added by three carry chains, whose LUTs count five rows
// into three on the way.
module bhc_heap #(
  parameter int unsigned OutBits = 4,
  parameter logic [16*OutBits-1:0] Heights = 64'd8,
  parameter int unsigned Total = 8,
  parameter int unsigned Stages = 0
) (
  input  logic               clk_i,
  input  logic               en_i,
  input  logic [Total-1:0]   data_i,
  output logic [OutBits-1:0] sum_o
);
  localparam int MaxRows = 6;

  // Some instances of a module that contains itself: their functions pass for hidden by themselves (seen with 5.48).
  // verilator lint_off VARHIDDEN
  // Index of each column's first bit.
  function automatic logic [16*OutBits-1:0] offsets(input logic [16*OutBits-1:0] h);
    offsets = '0;
    for (int c = 1; c < OutBits; c++) offsets[16*c +: 16] = offsets[16*(c-1) +: 16] + h[16*(c-1) +: 16];
  endfunction

  function automatic int tallest(input logic [16*OutBits-1:0] h);
    tallest = 0;
    for (int c = 0; c < OutBits; c++) begin
      if ({16'd0, h[16*c +: 16]} > tallest) tallest = {16'd0, h[16*c +: 16]};
    end
  endfunction

  // One level: per column {compressors with a chain, bits left over, compressors}. A chained compressor also takes a bit of
  // each of the next two columns, so these are reserved first.
  function automatic logic [48*OutBits-1:0] plan(input logic [16*OutBits-1:0] h);
    int free0, free1, free2, compressors, chains, twos, fours;
    plan = '0;
    twos = 0;
    fours = 0;
    for (int c = 0; c < OutBits; c++) begin
      free0 = {16'd0, h[16*c +: 16]} - twos - fours;
      compressors = free0 / 6;
      chains = 0;
      if (c + 2 < OutBits) begin
        free1 = {16'd0, h[16*(c+1) +: 16]} - twos;
        free2 = {16'd0, h[16*(c+2) +: 16]};
        chains = compressors < free1 ? compressors : free1;
        if (chains > free2) chains = free2;
      end
      plan[48*c +: 48] = {16'(chains), 16'(free0 - 6 * compressors), 16'(compressors)};
      fours = twos;
      twos = chains;
    end
  endfunction

  // Column heights after a level; p is a plan below which three empty columns were put.
  function automatic logic [16*OutBits-1:0] compressed(input logic [48*(OutBits+3)-1:0] p);
    compressed = '0;
    for (int c = 0; c < OutBits; c++) begin
      compressed[16*c +: 16] = p[48*(c+3) +: 16] + p[48*(c+3)+16 +: 16] + p[48*(c+2) +: 16] + p[48*(c+1) +: 16]
                               + p[48*c+32 +: 16];
    end
  endfunction

  // verilator lint_on VARHIDDEN

  localparam logic [16*OutBits-1:0] Offsets = offsets(Heights);
  localparam int Tallest = tallest(Heights);

  if (Tallest > MaxRows) begin : gen_compress
    // Three empty columns below column 0 spare every corner case.
    localparam logic [48*(OutBits+3)-1:0] Plan = {plan(Heights), 144'd0};
    localparam logic [16*OutBits-1:0] Next = compressed(Plan);
    localparam logic [16*OutBits-1:0] NextOffsets = offsets(Next);
    localparam int NextTotal = {16'd0, NextOffsets[16*(OutBits-1) +: 16]} + {16'd0, Next[16*(OutBits-1) +: 16]};

    logic [NextTotal-1:0] next, next_q;
    for (genvar c = 0; c < OutBits; c++) begin : gen_column
      localparam int Compressors = {16'd0, Plan[48*(c+3) +: 16]};
      localparam int Left = {16'd0, Plan[48*(c+3)+16 +: 16]};
      localparam int Chains = {16'd0, Plan[48*(c+3)+32 +: 16]};
      // The column now: [fours of chains of c-2][twos of chains of c-1][sixes][left over].
      localparam int From = {16'd0, Offsets[16*c +: 16]};
      localparam int Twos = {16'd0, Plan[48*(c+2)+32 +: 16]};
      localparam int Fours = {16'd0, Plan[48*(c+1)+32 +: 16]};
      localparam int Sixes = From + Fours + Twos;
      // The column after this level: [sums of c][left over][sum bits 1 of c-1][2 of c-2][3 of the chains of c-3].
      localparam int To = {16'd0, NextOffsets[16*c +: 16]};
      localparam int Below1 = {16'd0, Plan[48*(c+2) +: 16]};
      localparam int Below2 = {16'd0, Plan[48*(c+1) +: 16]};
      localparam int Below3 = {16'd0, Plan[48*c+32 +: 16]};
      localparam int To1 = To + Compressors + Left;
      localparam int To2 = To1 + Below1;
      localparam int To3 = To2 + Below2;

      for (genvar g = 0; g < Compressors; g++) begin : gen_compressor
        logic two, four;
        logic [3:0] sum;
        if (g < Chains) begin : gen_chain
          localparam int Two = {16'd0, Offsets[16*(c+1) +: 16]} + Twos + g;
          localparam int Four = {16'd0, Offsets[16*(c+2) +: 16]} + g;
          assign two = data_i[Two];
          assign four = data_i[Four];
        end else begin : gen_plain
          assign two = 1'b0;
          assign four = 1'b0;
        end
        bhc_compressor #(.Chain(g < Chains ? 1 : 0)) u_compressor (
          .ones_i(data_i[Sixes+6*g +: 6]), .two_i(two), .four_i(four), .sum_o(sum));
        assign next[To+g] = sum[0];
        logic unused;
        assign unused = ^sum;
      end
      if (Left > 0) begin : gen_left
        assign next[To+Compressors +: Left] = data_i[Sixes+6*Compressors +: Left];
      end
      for (genvar g = 0; g < Below1; g++) begin : gen_below1
        assign next[To1+g] = gen_column[c-1].gen_compressor[g].sum[1];
      end
      for (genvar g = 0; g < Below2; g++) begin : gen_below2
        assign next[To2+g] = gen_column[c-2].gen_compressor[g].sum[2];
      end
      for (genvar g = 0; g < Below3; g++) begin : gen_below3
        assign next[To3+g] = gen_column[c-3].gen_compressor[g].sum[3];
      end
    end

    if (Stages == 2) begin : gen_reg
      always_ff @(posedge clk_i) if (en_i) next_q <= next;
    end else begin : gen_wire
      assign next_q = next;
    end
    bhc_heap #(.OutBits(OutBits), .Heights(Next), .Total(NextTotal), .Stages(Stages == 2 ? 1 : Stages)) u_next (
      .clk_i, .en_i, .data_i(next_q), .sum_o);
  end else begin : gen_rows
    logic [Total-1:0] data;
    logic [OutBits-1:0] sum;
    if (Stages == 0) begin : gen_wire
      logic unused;
      assign unused = ^{clk_i, en_i};
      assign data = data_i;
    end else begin : gen_reg
      always_ff @(posedge clk_i) if (en_i) data <= data_i;
    end
    if (Stages == 2) begin : gen_out_reg  // too small for any compressor: the second register follows the adders
      always_ff @(posedge clk_i) if (en_i) sum_o <= sum;
    end else begin : gen_out_wire
      assign sum_o = sum;
    end

    // Row 0, and the counts (3 bits, weights c to c+2) of rows 1 to 5 of every column c.
    logic [OutBits-1:0] row0;
    logic [OutBits+1:0] count0, count1, count2;
    assign count1[0] = 1'b0;
    assign count2[1:0] = 2'b00;
    for (genvar c = 0; c < OutBits; c++) begin : gen_column
      localparam int From = {16'd0, Offsets[16*c +: 16]};
      localparam int Height = {16'd0, Heights[16*c +: 16]};
      logic [MaxRows-1:0] v;
      if (Height > 0) begin : gen_bits
        assign v = MaxRows'(data[From +: Height]);
      end else begin : gen_no_bits
        assign v = '0;
      end
      logic s, c0, c1;
      assign s = v[1] ^ v[2] ^ v[3];
      assign c0 = v[1] & v[2] | v[2] & v[3] | v[1] & v[3];
      assign c1 = v[4] & v[5] | s & v[4] | s & v[5];
      assign row0[c] = v[0];
      assign count0[c] = s ^ v[4] ^ v[5];
      assign count1[c+1] = c0 ^ c1;
      assign count2[c+2] = c0 & c1;
    end
    assign count0[OutBits+1:OutBits] = 2'b00;
    assign count1[OutBits+1] = 1'b0;
    logic unused_counts;
    assign unused_counts = ^{count0, count1, count2};

    // keep: Yosys (alumacc) otherwise merges the additions into one and expands it into full adders of two LUTs a bit.
    (* keep *) logic [OutBits-1:0] sum01;
    (* keep *) logic [OutBits-1:0] sum012;
    assign sum01 = row0 + count0[OutBits-1:0];
    if (Tallest > 2) begin : gen_second
      assign sum012 = sum01 + count1[OutBits-1:0];
    end else begin : gen_no_second
      assign sum012 = sum01;
    end
    if (Tallest > 4) begin : gen_third
      assign sum = sum012 + count2[OutBits-1:0];
    end else begin : gen_no_third
      assign sum = sum012;
    end
  end
endmodule
