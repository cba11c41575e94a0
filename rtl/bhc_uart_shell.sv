// Between a UART and a design's AXI4-Streams (docs/uart.md has the protocol).
//
//   rx_i, tx_o  the pins
//   core_rst_no the design's reset: that of the shell, and one cycle when a session begins
//   m_axis      to the design's input: beats of InBytes bytes
//   s_axis      from the design's output: beats of OutBytes bytes, of which ResultBytes make a result
//   Identity    16 bytes for the host, lowest first
//
// Both directions are byte streams that lose nothing: bytes count from 0, modulo 256; each end repeats from where the other says
// it got to. Input is buffered, and handed on only when the CRC of its frame was right; output stays in its buffer until the host
// has it. After each result, three bytes tell the cycles from the last input beat to the last output beat; 2**23 stands for all
// that is more. Full buffers stall the design, not the link: the host can always begin anew.
//
// A buffer counts as full when the writer is about to enter the block of 32 bytes that the reader is in: cheaper than to the byte,
// and at least 192 bytes.
module bhc_uart_shell #(
  parameter int unsigned ClocksPerBit = 12,
  parameter int unsigned InBytes = 1,
  parameter int unsigned OutBytes = 1,
  parameter int unsigned ResultBytes = 1,
  parameter logic [127:0] Identity = '0
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  rx_i,
  output logic                  tx_o,
  output logic                  core_rst_no,
  output logic [8*InBytes-1:0]  m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  input  logic [8*OutBytes-1:0] s_axis_tdata,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready
);
  // Frames from the host: session and whether to repeat, place of the first byte, place up to which it has the results, bytes.
  typedef enum logic [2:0] {InSession = 3'd0, InPlace = 3'd1, InHave = 3'd2, InWhole = 3'd7} in_pos_e;
  logic rx_byte, rx_end, rx_good, accepted, opened, payload, in_full;
  logic [7:0] rx_data, have_q, in_write_q, in_commit_q, in_read_q, in_end;
  logic [6:0] session_q;
  logic [2:0] in_pos_q;
  logic is_open_q, is_ours_q, is_repeat_q, in_place_q, overrun_q;

  bhc_frame_rx #(.ClocksPerBit(ClocksPerBit)) u_rx (
    .clk_i, .rst_ni, .rx_i, .byte_o(rx_byte), .data_o(rx_data), .end_o(rx_end), .good_o(rx_good)
  );
  assign payload = rx_byte && in_pos_q > InHave;
  assign in_full = in_write_q[7:5] + 3'd1 == in_read_q[7:5];
  assign accepted = rx_end && rx_good && in_pos_q == InWhole && !overrun_q;
  assign opened = accepted && is_open_q;
  assign in_end = in_write_q - 8'd4;  // where its CRC began

  always_ff @(posedge clk_i) begin
    if (!rst_ni || rx_end) in_pos_q <= InSession;
    else if (rx_byte && in_pos_q != InWhole) in_pos_q <= in_pos_q + 3'd1;

    if (rx_byte && in_pos_q == InSession) begin
      is_open_q <= rx_data[6:0] == '0;
      is_ours_q <= rx_data[6:0] == session_q;
      is_repeat_q <= rx_data[7];
    end
    if (rx_byte && in_pos_q == InPlace) in_place_q <= rx_data == in_commit_q;
    if (rx_byte && in_pos_q == InHave) have_q <= rx_data;

    if (!rst_ni || rx_end) overrun_q <= 1'b0;
    else if (payload && in_full) overrun_q <= 1'b1;

    if (!rst_ni) session_q <= '0;
    else if (opened) session_q <= have_q[6:0];

    if (!rst_ni || opened) begin
      in_write_q <= '0;
      in_commit_q <= '0;
    end else if (rx_end) begin
      if (accepted && is_ours_q && in_place_q) begin
        in_write_q <= in_end;
        in_commit_q <= in_end;
      end else begin
        in_write_q <= in_commit_q;
      end
    end else if (payload && !in_full) begin
      in_write_q <= in_write_q + 8'd1;
    end
  end

  // Input bytes to the design. The RAM's output register holds one.
  logic core_rst_nq, in_valid_q, in_ready, in_pop;
  logic [7:0] in_byte;
  assign core_rst_no = core_rst_nq;
  assign in_pop = in_read_q != in_commit_q && (!in_valid_q || in_ready);
  bhc_ram #(.Width(8), .Depth(256), .Style(2), .Collides(1'b0)) u_in_ram (
    .clk_i, .write_i(payload && !in_full), .waddr_i(in_write_q), .wdata_i(rx_data),
    .read_i(in_pop), .clear_i(1'b0), .raddr_i(in_read_q), .rdata_o(in_byte)
  );
  always_ff @(posedge clk_i) begin
    core_rst_nq <= rst_ni && !opened;
    if (!rst_ni || opened) begin
      in_read_q <= '0;
      in_valid_q <= 1'b0;
    end else begin
      if (in_pop) in_read_q <= in_read_q + 8'd1;
      if (in_pop || in_ready) in_valid_q <= in_pop;
    end
  end
  bhc_width #(.Bits(8), .InLanes(1), .OutLanes(InBytes)) u_in_width (
    .clk_i, .rst_ni(core_rst_nq), .in_valid_i(in_valid_q), .in_ready_o(in_ready), .in_data_i(in_byte),
    .out_valid_o(m_axis_tvalid), .out_ready_i(m_axis_tready), .out_data_o(m_axis_tdata)
  );

  // Results, and the cycles behind each.
  logic out_valid, out_push, out_full, result_push, result_last, again_q;
  logic [7:0] out_byte, out_data, out_write_q, out_have_q, out_send_q, out_read;
  logic [23:0] cycles_q;
  logic [1:0] tail_q;  // bytes of cycles: 0 not yet, 1 to 3 next
  bhc_width #(.Bits(8), .InLanes(OutBytes), .OutLanes(1)) u_out_width (
    .clk_i, .rst_ni(core_rst_nq), .in_valid_i(s_axis_tvalid), .in_ready_o(s_axis_tready), .in_data_i(s_axis_tdata),
    .out_valid_o(out_valid), .out_ready_i(tail_q == '0 && !out_full), .out_data_o(out_byte)
  );
  assign result_push = tail_q == '0 && !out_full && out_valid;
  bhc_count #(.Count(ResultBytes)) u_result (
    .clk_i, .rst_ni(core_rst_nq), .step_i(result_push), .last_o(result_last)
  );
  assign out_full = out_write_q[7:5] + 3'd1 == out_have_q[7:5];
  assign out_push = !out_full && (out_valid || tail_q != '0);
  always_comb begin
    unique case (tail_q)
      2'd0: out_data = out_byte;
      2'd1: out_data = cycles_q[7:0];
      2'd2: out_data = cycles_q[15:8];
      default: out_data = cycles_q[23:16];
    endcase
  end
  always_ff @(posedge clk_i) begin
    if (!core_rst_nq) tail_q <= '0;
    else if (tail_q == '0 ? result_push && result_last : !out_full) tail_q <= tail_q + 2'd1;

    // An input beat that comes in while cycles are told counts after that.
    if (!core_rst_nq) again_q <= 1'b0;
    else again_q <= tail_q != '0 && (again_q || (m_axis_tvalid && m_axis_tready));
    if (tail_q == '0) begin
      if (again_q || (m_axis_tvalid && m_axis_tready)) cycles_q <= '0;
      else if (!cycles_q[23]) cycles_q <= cycles_q + 24'd1;
    end

    if (!rst_ni || opened) begin
      out_write_q <= '0;
      out_have_q <= '0;
    end else begin
      if (out_push) out_write_q <= out_write_q + 8'd1;
      if (accepted && is_ours_q) out_have_q <= have_q;
    end
  end
  bhc_ram #(.Width(8), .Depth(256), .Style(2), .Collides(1'b0)) u_out_ram (
    .clk_i, .write_i(out_push), .waddr_i(out_write_q), .wdata_i(out_data),
    .read_i(1'b1), .clear_i(1'b0), .raddr_i(out_send_q), .rdata_o(out_read)
  );

  // Frames to the host: session, what it is and what went wrong, place of the first byte, places up to which input came and was
  // used, bytes.
  typedef enum logic [2:0] {
    OutSession = 3'd0, OutFlags = 3'd1, OutPlace = 3'd2, OutCommit = 3'd3, OutRead = 3'd4, OutPayload = 3'd5
  } out_pos_e;
  logic tx_valid, tx_taken, tx_end, more, report_q, repeat_q, active_q, hello_q, answer_q;
  logic damaged_q, refused_q, lost_q;
  logic [2:0] out_pos_q;
  logic [7:0] tx_data, named;
  assign named = Identity[8*out_send_q[3:0] +: 8];
  // A frame ends where a block of 64 bytes does.
  assign more = answer_q ? !out_send_q[4] : out_send_q != out_write_q;
  logic full_q;
  assign tx_valid = active_q && (out_pos_q != OutPayload || (more && !full_q));
  always_comb begin
    unique case (out_pos_q)
      OutSession: tx_data = {1'b0, session_q};
      OutFlags: tx_data = {4'd0, lost_q, refused_q, damaged_q, answer_q};
      OutPlace: tx_data = out_send_q;
      OutCommit: tx_data = in_commit_q;
      OutRead: tx_data = in_read_q;
      default: tx_data = answer_q ? named : out_read;
    endcase
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      {report_q, repeat_q, active_q, hello_q, answer_q} <= '0;
      {damaged_q, refused_q, lost_q} <= '0;
      out_pos_q <= OutSession;
      out_send_q <= '0;
      full_q <= 1'b0;
    end else begin
      if (active_q) begin
        if (tx_taken) begin
          if (out_pos_q != OutPayload) out_pos_q <= out_pos_q + 3'd1;
          else out_send_q <= out_send_q + 8'd1;
          full_q <= out_pos_q == OutPayload && out_send_q[5:0] == '1;
          if (out_pos_q == OutFlags) {damaged_q, refused_q, lost_q} <= '0;
        end
        if (tx_end) begin
          active_q <= 1'b0;
          answer_q <= 1'b0;
          out_pos_q <= OutSession;
          full_q <= 1'b0;
          if (answer_q) repeat_q <= 1'b1;
        end
      end else if (repeat_q) begin
        out_send_q <= out_have_q;
        repeat_q <= 1'b0;
      end else if (report_q || hello_q || out_send_q != out_write_q) begin
        active_q <= 1'b1;
        answer_q <= hello_q;
        hello_q <= 1'b0;
        report_q <= 1'b0;
      end

      // What happens in the cycle in which it would be forgotten is kept.
      if (opened) hello_q <= 1'b1;
      if (opened || (accepted && is_ours_q && is_repeat_q)) repeat_q <= 1'b1;
      if (rx_end && in_pos_q != InSession) begin
        report_q <= 1'b1;
        if (!accepted) damaged_q <= 1'b1;
        if (accepted && is_ours_q && !is_open_q && !in_place_q) refused_q <= 1'b1;
        if (overrun_q) lost_q <= 1'b1;
      end
      if (in_pop && in_read_q[5:0] == '1) report_q <= 1'b1;
    end
  end
  bhc_frame_tx #(.ClocksPerBit(ClocksPerBit)) u_tx (
    .clk_i, .rst_ni, .valid_i(tx_valid), .ready_o(tx_taken), .data_i(tx_data), .end_o(tx_end), .tx_o
  );
endmodule
