// Simulation model that those of the families' block RAMs share: two ports, an output register each.
//
// The memory is in units of 9 bits, the ninth of which widths below 9 cannot reach; addresses count bits, eight to a
// unit. Width[p]: of port p: 1, 2, 4, or units of 9; 0 for a port that is not there. A port's data, unit 0 first, is in
// the low bits of data_i and data_o. On an edge with en_i the units in we_i are written, and data_o is what was there
// before; if anything was written, as Own says: 0 data_o is kept, 1 the new word, 2 the word as it was before.
// What the other port writes in the same cycle is read as it was before if Ordered, of that port, is set, else as a
// random value: devices do not say what then comes out. Both ports have the same clock, or one has none.
// Reset: 0 an edge with en_i and rst_i loads ResetWord, 1 without en_i too, 2 that and nothing is written.
// Init: unit i from bit PairBits * (i / 2) + UnitBits * (i % 2); Parity has its ninth bit if UnitBits is 8.
//
// A port that is not there uses nothing; both may write.
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off MULTIDRIVEN
module bhc_block_ram #(
  parameter int unsigned Units = 2048,
  parameter bit [1:0][31:0] Width = {32'd9, 32'd9},
  parameter bit [1:0][1:0] Own = {2'd0, 2'd0},
  parameter bit [1:0] Ordered = 2'b00,
  parameter int unsigned Reset = 0,
  parameter int unsigned UnitBits = 9,
  parameter int unsigned PairBits = 18,
  parameter logic [PairBits*Units/2-1:0] Init = '0,
  parameter logic [Units-1:0] Parity = '0,
  localparam int unsigned IndexBits = $clog2(Units)
) (
  input  logic             clk_a_i,
  input  logic             clk_b_i,
  input  logic [1:0]       en_i,
  input  logic [1:0]       rst_i,
  input  logic [1:0][7:0]  we_i,
  input  logic [1:0][15:0] addr_i,
  input  logic [1:0][71:0] data_i,
  input  logic [1:0][71:0] reset_word_i,
  output logic [1:0][71:0] data_o
);
  logic [8:0] mem [Units];
  initial begin
    for (int unsigned i = 0; i < Units; ++i) begin
      mem[i] = {UnitBits == 8 ? Parity[i] : Init[PairBits * (i / 2) + 9 * (i % 2) + 8],
                Init[PairBits * (i / 2) + UnitBits * (i % 2) +: 8]};
    end
  end

  logic [1:0][IndexBits-1:0] first;  // unit of a port's word
  logic [1:0][2:0] low;              // bit in it, of narrow words
  logic [1:0] writes;

  for (genvar p = 0; p < 2; ++p) begin : gen_port
    localparam int unsigned Bits = Width[p];
    localparam int unsigned Span = Bits < 9 ? 1 : Bits / 9;
    localparam int unsigned Other = Width[1-p];
    localparam int unsigned OtherSpan = Other < 9 ? 1 : Other / 9;
    localparam logic [2:0] Apart = ~3'((Bits > Other ? Bits : Other) - 1);  // address bits in which narrow words differ

    assign first[p] = addr_i[p][3+:IndexBits] & ~IndexBits'(Span - 1);
    assign low[p] = Bits < 8 ? addr_i[p][2:0] & ~3'(Bits - 1) : 3'd0;
    assign writes[p] = en_i[p] && |we_i[p] && !(rst_i[p] && Reset == 2) && Bits != 0;

    if (Bits != 0) begin : gen_used
      logic clk;
      assign clk = p == 0 ? clk_a_i : clk_b_i;
      logic [71:0] word_q;
      assign data_o[p] = word_q;

      always @(posedge clk) begin
        if (writes[p]) begin
          for (int unsigned k = 0; k < Span; ++k) begin
            if (we_i[p][k]) begin
              if (Bits < 9) mem[first[p]][4'(low[p])+:(Bits<9?Bits:1)] <= data_i[p][0+:(Bits<9?Bits:1)];
              else mem[first[p]+IndexBits'(k)] <= data_i[p][9*k+:9];
            end
          end
        end
        if (rst_i[p] && (en_i[p] || Reset != 0)) begin
          word_q <= reset_word_i[p];
        end else if (en_i[p] && !(writes[p] && Own[p] == 2'd0)) begin
          for (int unsigned k = 0; k < Span; ++k) begin
            logic [8:0] unit;
            logic [IndexBits-1:0] place;
            unit = mem[first[p]+IndexBits'(k)] >> low[p];
            place = first[p] + IndexBits'(k) - first[1-p];
            if (writes[1-p] && !Ordered[1-p] && 32'(place) < OtherSpan && we_i[1-p][3'(place)] &&
                (Bits > 8 || Other > 8 || ((low[0] ^ low[1]) & Apart) == 0)) begin
              unit = 9'($urandom);
            end
            if (writes[p] && Own[p] == 2'd1 && we_i[p][k]) unit = data_i[p][9*k+:9];
            word_q[9*k+:9] <= unit;
          end
        end
      end
    end else begin : gen_unused
      assign data_o[p] = '0;
    end
  end
endmodule
