// Walks along one axis of a padded tensor, position 0 to Length-1 and round again, one position a step.
//
//   last_o   at the last position
//   pixel_o  inside the image: Before <= position < Before + Pixels
//   hit_o    where a window ends: position = First + k*Stride, 0 <= k < Hits
// Start is the position after reset. Length = 1: no logic.
module bhc_axis #(
  parameter int unsigned Length = 4,
  parameter int unsigned Before = 0,
  parameter int unsigned Pixels = 4,
  parameter int unsigned First = 0,
  parameter int unsigned Stride = 1,
  parameter int unsigned Hits = 4,
  parameter int unsigned Start = 0
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic last_o,
  output logic pixel_o,
  output logic hit_o
);
  if (Length == 1) begin : gen_wire
    logic unused;
    assign unused = ^{clk_i, rst_ni, step_i};
    assign last_o = 1'b1;
    assign pixel_o = Pixels == 1;
    assign hit_o = Hits == 1;
  end else begin : gen_counter
    localparam int unsigned PosBits = $clog2(Length);
    localparam int unsigned Last = First + (Hits - 1) * Stride;
    logic [PosBits-1:0] pos_q;

    assign last_o = pos_q == PosBits'(Length - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) pos_q <= PosBits'(Start);
      else if (step_i) pos_q <= last_o ? '0 : pos_q + PosBits'(1);
    end

    // Comparisons that are always true are left out, not only to please lint: each costs a LUT or two.
    logic past_before, before_end;
    if (Before > 0) begin : gen_before
      assign past_before = pos_q >= PosBits'(Before);
    end else begin : gen_no_before
      assign past_before = 1'b1;
    end
    if (Before + Pixels < Length) begin : gen_after
      assign before_end = pos_q < PosBits'(Before + Pixels);
    end else begin : gen_no_after
      assign before_end = 1'b1;
    end
    assign pixel_o = past_before && before_end;

    if (Hits == 1) begin : gen_single
      assign hit_o = pos_q == PosBits'(First);
    end else begin : gen_several
      logic in_phase, past_first, before_last;
      if (Stride == 1) begin : gen_dense
        assign in_phase = 1'b1;
      end else if (Stride == 1 << $clog2(Stride)) begin : gen_binary
        localparam int unsigned PhaseBits = $clog2(Stride);
        assign in_phase = pos_q[PhaseBits-1:0] == PhaseBits'(First);
      end else begin : gen_phase
        localparam int unsigned PhaseBits = $clog2(Stride);
        localparam int unsigned PhaseOf0 = (Stride - First % Stride) % Stride;
        logic [PhaseBits-1:0] phase_q;
        assign in_phase = phase_q == '0;
        always_ff @(posedge clk_i) begin
          if (!rst_ni) phase_q <= PhaseBits'((Start + PhaseOf0) % Stride);
          else if (step_i && last_o) phase_q <= PhaseBits'(PhaseOf0);
          else if (step_i) phase_q <= phase_q == PhaseBits'(Stride - 1) ? '0 : phase_q + PhaseBits'(1);
        end
      end
      if (First >= Stride) begin : gen_first
        assign past_first = pos_q >= PosBits'(First);
      end else begin : gen_no_first
        assign past_first = 1'b1;
      end
      if (Last + Stride < Length) begin : gen_last
        assign before_last = pos_q <= PosBits'(Last);
      end else begin : gen_no_last
        assign before_last = 1'b1;
      end
      assign hit_o = in_phase && past_first && before_last;
    end
  end

`ifndef SYNTHESIS
  initial assert (Hits >= 1 && First + (Hits - 1) * Stride < Length && Before + Pixels <= Length && Start < Length)
    else $error("bhc_axis: no such walk");
`endif
endmodule
