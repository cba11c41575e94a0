// Sum of weighted bits: sum_o = sum over columns c of 2^c * (number of ones in column c), modulo 2^OutBits.
module bhc_heap #(
  parameter int unsigned OutBits = 4,
  parameter logic [16*OutBits-1:0] Heights = 64'd8,
  parameter int unsigned Tallest = 8,
  parameter int unsigned FirstGroup = 6,
  parameter int unsigned Rows = 6,
  parameter int unsigned Stages = 0
) (
  input  logic                       clk_i,
  input  logic                       en_i,
  input  logic [OutBits*Tallest-1:0] data_i,
  output logic [OutBits-1:0]         sum_o
);
  // Column heights after `levels` levels of compression.
  function automatic logic [16*OutBits-1:0] heights_at(input int levels);
    logic [16*OutBits-1:0] h;
    int group;
    int count;
    heights_at = Heights;
    for (int l = 0; l < levels; l++) begin
      group = l == 0 ? FirstGroup : 6;
      h = '0;
      for (int c = 0; c < OutBits; c++) begin
        count = {16'd0, heights_at[16*c +: 16]};
        h[16*c +: 16] = h[16*c +: 16] + 16'(count / group + count % group);
        if (c + 1 < OutBits) h[16*(c+1) +: 16] = h[16*(c+1) +: 16] + 16'(count / group);
        if (group > 3 && c + 2 < OutBits) h[16*(c+2) +: 16] = h[16*(c+2) +: 16] + 16'(count / group);
      end
      heights_at = h;
    end
  endfunction

  function automatic int tallest_at(input int levels);
    logic [16*OutBits-1:0] h;
    h = heights_at(levels);
    tallest_at = 0;
    for (int c = 0; c < OutBits; c++) begin
      if ({16'd0, h[16*c +: 16]} > tallest_at) tallest_at = {16'd0, h[16*c +: 16]};
    end
  endfunction

  function automatic int num_levels(input int limit);
    num_levels = FirstGroup == 6 ? 0 : 1;
    for (int i = 0; i < limit; i++) begin
      if (tallest_at(num_levels) > Rows) num_levels = num_levels + 1;
    end
  endfunction

  localparam int Levels = num_levels(12);

  for (genvar l = 0; l <= Levels; l++) begin : gen_level
    localparam logic [16*OutBits-1:0] H = heights_at(l);
    logic [OutBits*Tallest-1:0] b;
    logic [OutBits*Tallest-1:0] b_d;
    if (l == 0) begin : gen_in
      assign b_d = data_i;
    end else begin : gen_compress
      localparam int Group = l == 1 ? FirstGroup : 6;
      localparam logic [16*OutBits-1:0] P = heights_at(l - 1);
      for (genvar c = 0; c < OutBits; c++) begin : gen_column
        localparam int Count = {16'd0, P[16*c +: 16]};
        localparam int Groups = Count / Group;
        localparam int Left = Count % Group;
        localparam int Below = c >= 1 ? {16'd0, P[16*(c>=1?c-1:0) +: 16]} / Group : 0;
        localparam int Below2 = c >= 2 && Group > 3 ? {16'd0, P[16*(c>=2?c-2:0) +: 16]} / Group : 0;
        for (genvar i = 0; i < Tallest; i++) begin : gen_bit
          if (i < Groups) begin : gen_sum
            assign b_d[c*Tallest+i] = ^gen_level[l-1].b[c*Tallest+i*Group +: Group];
          end else if (i < Groups + Left) begin : gen_pass
            assign b_d[c*Tallest+i] = gen_level[l-1].b[c*Tallest+Groups*Group+i-Groups];
          end else if (i < Groups + Left + Below) begin : gen_carry
            logic [Group-1:0] v;
            assign v = gen_level[l-1].b[(c-1)*Tallest+(i-Groups-Left)*Group +: Group];
            if (Group == 3) begin : gen_3
              assign b_d[c*Tallest+i] = v[0] & v[1] | v[1] & v[2] | v[0] & v[2];
            end else begin : gen_6
              logic [2:0] n;
              assign n = 3'(v[0]) + 3'(v[1]) + 3'(v[2]) + 3'(v[3]) + 3'(v[4]) + 3'(v[5]);
              assign b_d[c*Tallest+i] = n[1];
            end
          end else if (i < Groups + Left + Below + Below2) begin : gen_carry2
            logic [Group-1:0] v;
            logic [2:0] n;
            assign v = gen_level[l-1].b[(c-2)*Tallest+(i-Groups-Left-Below)*Group +: Group];
            assign n = 3'(v[0]) + 3'(v[1]) + 3'(v[2]) + 3'(v[3]) + 3'(v[4]) + 3'(v[5]);
            assign b_d[c*Tallest+i] = n[2];
          end else begin : gen_none
            assign b_d[c*Tallest+i] = 1'b0;
          end
        end
      end
    end
    if (Stages >= 1 && l == Levels || Stages >= 2 && l == 1) begin : gen_reg
      logic [OutBits*Tallest-1:0] b_q;
      always_ff @(posedge clk_i) if (en_i) b_q <= b_d;
      assign b = b_q;
    end else begin : gen_wire
      assign b = b_d;
    end
  end

  localparam int Tall = tallest_at(Levels);
  logic [OutBits-1:0] row [6];
  for (genvar r = 0; r < 6; r++) begin : gen_row
    for (genvar c = 0; c < OutBits; c++) begin : gen_bit
      if (r < Tallest) begin : gen_in
        assign row[r][c] = gen_level[Levels].b[c*Tallest+r];
      end else begin : gen_none
        assign row[r][c] = 1'b0;
      end
    end
  end

  // Up to six rows in three carry chains: five rows are counted into three (absorbed in the chains' LUTs).
  logic [OutBits-1:0] s, t, u;
  for (genvar c = 0; c < OutBits; c++) begin : gen_count
    logic [2:0] n;
    assign n = 3'(row[1][c]) + 3'(row[2][c]) + 3'(row[3][c]) + 3'(row[4][c]) + 3'(row[5][c]);
    assign s[c] = n[0];
    if (c + 1 < OutBits) begin : gen_t
      assign t[c+1] = n[1];
    end
    if (c + 2 < OutBits) begin : gen_u
      assign u[c+2] = n[2];
    end
  end
  assign t[0] = 1'b0;
  assign u[1:0] = '0;
  (* keep *) logic [OutBits-1:0] sum1, sum2;
  assign sum1 = row[0] + s;
  if (Tall > 2) begin : gen_2
    assign sum2 = sum1 + t;
  end else begin : gen_1
    assign sum2 = sum1;
  end
  if (Tall > 4) begin : gen_3
    assign sum_o = sum2 + u;
  end else begin : gen_2
    assign sum_o = sum2;
  end
endmodule
