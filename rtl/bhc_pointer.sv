// Counts steps modulo Count: 0 to Count-1, and again. Steps are clock edges with step_i high.
module bhc_pointer #(
  parameter int unsigned Count = 2,
  localparam int unsigned CountBits = Count > 1 ? $clog2(Count) : 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 step_i,
  output logic [CountBits-1:0] count_o
);
  if (Count == 1) begin : gen_constant
    logic unused;
    assign unused = ^{clk_i, rst_ni, step_i};
    assign count_o = '0;
  end else begin : gen_counter
    localparam bit Binary = Count == 1 << CountBits;  // wraps by itself
    logic [CountBits-1:0] next;
    // A defined initial value keeps Yosys from merging the register, as an address, into the read port of a LUT memory, which
    // then needs a copy of it.
    initial count_o = '0;
    logic last;
    assign last = !Binary && count_o == CountBits'(Count - 1);

    if (CountBits <= 5) begin : gen_table
      // One LUT a bit, and no carry chain.
      for (genvar i = 0; i < CountBits; i++) begin : gen_bit
        if (i == 0) begin : gen_lowest
          assign next[i] = !last && !count_o[i];
        end else begin : gen_other
          assign next[i] = !last && (count_o[i] ^ (&count_o[i-1:0]));
        end
      end
      always_ff @(posedge clk_i) begin
        if (!rst_ni) count_o <= '0;
        else if (step_i) count_o <= next;
      end
    end else begin : gen_carry
      // The synchronous reset does the wrapping.
      assign next = count_o + CountBits'(1);
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (step_i && last)) count_o <= '0;
        else if (step_i) count_o <= next;
      end
    end
  end
endmodule
