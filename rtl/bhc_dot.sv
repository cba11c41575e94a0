// Raw dot product of Simd elements: sum over bit planes (i of w, j of x) of 2^(i+j) * popcount(plane op).
//
// Plane op: XNOR for bipolar weights, AND otherwise; planes of negative weight (the sign plane of a signed x, xor that of a
// signed w) are counted inverted, so that raw_o is a non-negative integer; the constant which this adds is the compiler's to
// fold into a bias. Element 0 lies in the least significant bits.
// Stages (0 to 2) pipeline registers, enabled by en_i, no reset; bhc_heap says where.
// ConstWeights = 1: w is the parameter Weights, w_i is ignored.
//
// LUT cells of one row with accumulator (constant weights: with its bias) and sign, Yosys 0.70 synth_xilinx -family xc7
// -flatten, against a plain loop of sums (of products):
//                                     variable weights                constant weights
//   1 bit x and w, Simd        64        128        320          64        128        320
//     plain                    149       308        748          98        203        514
//     this                      95       181        426          75        134        343
//     this, LUTs a bit        1.48      1.41       1.33        1.17       1.05       1.07
//   8 bit x, bipolar w, Simd     9        45                      9         45
//     plain                    244      1072                    114        657
//     this                     114       457                     95        371
//   3 bit x and w, Simd         16        49                     16         49
//     plain                    539      1540                    103        388
//     this                     203       565                    107        439
// The gain takes the right compressors and keeping Yosys from undoing them: the same heap, flattened before ABC maps it, has
// 2.22 LUTs a bit for 128 variable and 1.30 for 128 constant weights. Constant weights of several bits are left to Yosys's
// sum of products, whose figure above includes the bias; here it is a separate addition. With LUT4s nothing is gained or
// lost (128 variable bits: ECP5 347 LUTs and 17 CCU2C against 354 and 10, iCE40 371 against 370).
module bhc_dot #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Simd = 8,
  parameter int unsigned Stages = 0,
  parameter int unsigned ConstWeights = 0,
  parameter logic [Simd*WBits-1:0] Weights = '0,
  localparam int unsigned OutBits = $clog2(Simd * ((1 << XBits) - 1) * ((1 << WBits) - 1) + 1)
) (
  input  logic                  clk_i,
  input  logic                  en_i,
  input  logic [Simd*XBits-1:0] x_i,
  input  logic [Simd*WBits-1:0] w_i,
  output logic [OutBits-1:0]    raw_o
);
`ifndef SYNTHESIS
  initial assert ((XKind != 2 || XBits == 1) && (WKind != 2 || WBits == 1) && Stages <= 2)
    else $error("bhc_dot: kinds %0d and %0d, %0d and %0d bits, %0d stages", XKind, WKind, XBits, WBits, Stages);
`endif

  // First level: groups of elements become counts.
  localparam int Group = ConstWeights != 0 ? 11 : 3;
  localparam int CountBits = ConstWeights != 0 ? 4 : 2;
  localparam int Groups = Simd / Group;
  localparam int Left = Simd % Group;
  localparam int LeftBits = $clog2(Left + 1);

  // Bit k of all counts of one pair of planes is a run of this many bits in the heap; each run belongs to column i+j+k.
  function automatic int run(input int k);
    run = Groups + (k < LeftBits ? 1 : 0);
  endfunction

  function automatic logic [16*OutBits-1:0] heights(input int bits);
    heights = '0;
    for (int i = 0; i < WBits; i++) begin
      for (int j = 0; j < XBits; j++) begin
        for (int k = 0; k < bits; k++) begin
          // A run may be empty, and then its column may not exist.
          if (run(k) > 0) heights[16*(i+j+k) +: 16] = heights[16*(i+j+k) +: 16] + 16'(run(k));
        end
      end
    end
  endfunction

  // First bit of the run of bit k of planes (i, j): after all lower columns and the earlier runs of its own.
  function automatic int start(input int i, input int j, input int k);
    start = 0;
    for (int pi = 0; pi < WBits; pi++) begin
      for (int pj = 0; pj < XBits; pj++) begin
        for (int pk = 0; pk < CountBits; pk++) begin
          if (pi + pj + pk < i + j + k || (pi + pj + pk == i + j + k && (pi < i || (pi == i && pj < j)))) begin
            start = start + run(pk);
          end
        end
      end
    end
  endfunction

  // The element of a group that comes p-th when the elements with inverted bits are put first.
  function automatic int element(input logic [Group-1:0] inverted, input int size, input int p);
    int position;
    element = 0;
    position = 0;
    for (int pass = 0; pass < 2; pass++) begin
      for (int e = 0; e < size; e++) begin
        if (inverted[e] == (pass == 0)) begin
          if (position == p) element = e;
          position = position + 1;
        end
      end
    end
  endfunction

  localparam int Total = start(int'(WBits) - 1, int'(XBits) - 1, CountBits - 1) + run(CountBits - 1);

  // What counting the negative planes inverted adds.
  function automatic logic [OutBits-1:0] offset(input int unsigned elements);
    offset = '0;
    for (int i = 0; i < WBits; i++) begin
      for (int j = 0; j < XBits; j++) begin
        if ((XKind == 1 && j == XBits - 1) != (WKind == 1 && i == WBits - 1)) begin
          offset = offset + OutBits'(elements << (i + j));
        end
      end
    end
  endfunction
  localparam logic [OutBits-1:0] Offset = offset(Simd);


  if (ConstWeights != 0 && WKind != 2) begin : gen_plain
    // Counting planes would spend LUTs on terms that are always 0. Yosys's sum of constant products drops them.
    // Signed operands, although the sum is not: a negative constant is then a short one to Yosys.
    logic signed [OutBits:0] sum, x, w;
    always_comb begin
      sum = $signed({1'b0, Offset});
      for (int e = 0; e < Simd; e++) begin
        x = (OutBits+1)'(x_i[e*XBits +: XBits]);
        w = (OutBits+1)'(Weights[e*WBits +: WBits]);
        if (XKind == 1) x = (OutBits+1)'($signed(x_i[e*XBits +: XBits]));
        if (WKind == 1) w = (OutBits+1)'($signed(Weights[e*WBits +: WBits]));
        sum = sum + x * w;
      end
    end

    if (Stages == 0) begin : gen_wire
      logic unused;
      assign unused = ^{clk_i, en_i, w_i};
      assign raw_o = sum[OutBits-1:0];
    end else begin : gen_reg
      logic unused;
      assign unused = ^w_i;
      logic [OutBits-1:0] sum_q [Stages];
      always_ff @(posedge clk_i) begin
        if (en_i) begin
          sum_q[0] <= sum[OutBits-1:0];
          for (int s = 1; s < Stages; s++) sum_q[s] <= sum_q[s-1];
        end
      end
      assign raw_o = sum_q[Stages-1];
    end
  end else begin : gen_heap
    if (ConstWeights != 0) begin : gen_w_unused
      logic unused;
      assign unused = ^w_i;
    end

    logic [Total-1:0] heap;

    for (genvar i = 0; i < WBits; i++) begin : gen_w
      for (genvar j = 0; j < XBits; j++) begin : gen_x
        localparam int Negative = (XKind == 1 && j == XBits - 1) != (WKind == 1 && i == WBits - 1) ? 1 : 0;

        for (genvar g = 0; g < Groups + (Left > 0 ? 1 : 0); g++) begin : gen_group
          localparam int Size = g < Groups ? Group : Left;
          logic [3:0] count;
          if (ConstWeights != 0) begin : gen_const
            localparam logic [Group-1:0] Inverted =
              Group'(~Weights[g*Group +: Size]) ^ (Negative != 0 ? '1 : '0);
            logic [Size-1:0] x;
            for (genvar p = 0; p < Size; p++) begin : gen_element
              localparam int Element = g * Group + element(Inverted, Size, p);
              assign x[p] = x_i[Element*XBits+j];
            end
            bhc_counter #(.In(Size), .Inverted($countones(Inverted[Size-1:0]))) u_counter (.data_i(x), .count_o(count));
          end else begin : gen_variable
            logic [2:0] x, w;
            for (genvar p = 0; p < 3; p++) begin : gen_element
              if (p < Size) begin : gen_pair
                assign x[p] = x_i[(g*Group+p)*XBits+j];
                assign w[p] = w_i[(g*Group+p)*WBits+i];
              end else begin : gen_none  // counts as 0
                assign x[p] = WKind != 2 && Negative != 0;
                assign w[p] = (WKind == 2) != (Negative != 0);
              end
            end
            bhc_match #(.Xnor(WKind == 2 ? 1 : 0), .Invert(Negative)) u_match (.x_i(x), .w_i(w), .count_o(count[1:0]));
            assign count[3:2] = 2'b00;
          end
          logic unused;
          assign unused = ^count;
        end

        for (genvar k = 0; k < CountBits; k++) begin : gen_run
          localparam int Start = start(i, j, k);
          for (genvar g = 0; g < run(k); g++) begin : gen_bit
            assign heap[Start+g] = gen_group[g].count[k];
          end
        end
      end
    end

    bhc_heap #(.OutBits(OutBits), .Heights(heights(CountBits)), .Total(Total), .Stages(Stages)) u_heap (
      .clk_i, .en_i, .data_i(heap), .sum_o(raw_o));
  end
endmodule
