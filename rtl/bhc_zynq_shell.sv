// Between the processor of a Zynq and a design's AXI4-Streams (docs/zynq.md has the registers).
//
//   s_axi         AXI4-Lite slave: registers, 32 bits
//   m_axi         AXI3 or AXI4 master of 64 bits: input from memory, results to memory; bursts as bhc_axi_read and bhc_axi_write say
//   irq_o         high while a job is done and the interrupt is enabled
//   core_rst_no   the design's reset: that of the shell, and while it is cleared
//   m_axis        to the design's input: beats of InBytes bytes
//   s_axis        from the design's output: beats of OutBytes bytes, ResultBeats of them a result
//   weights_*     to readers of the regions of weights: start and clear of all of them, where each begins, whether any is busy,
//                 which had an error
//
// In memory a beat takes 1, 2, 4, 8 or a multiple of 8 bytes, the fewest that hold it, in the low bytes; a result begins at a multiple of
// 8 bytes. So a beat of up to 8 bytes moves each cycle, and of more 8 bytes a cycle.
//
// A job moves InBeats beats from memory to the design and OutWords words of results to memory, and is done when memory has confirmed
// the last. Clearing gives up a job without leaving a burst half done, and resets the design; then the weights begin
// anew, or stay away.
module bhc_zynq_shell #(
  parameter int unsigned InBytes = 1,
  parameter int unsigned OutBytes = 1,
  parameter int unsigned InBeats = 1,
  parameter int unsigned ResultBeats = 1,
  parameter logic [63:0] Digest = '0,
  parameter int unsigned Weights = 0,
  parameter logic [95:0] WeightWords = '0,
  parameter int unsigned Style = 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  output logic                  irq_o,
  input  logic [11:0]           s_axi_awaddr,
  input  logic                  s_axi_awvalid,
  output logic                  s_axi_awready,
  input  logic [31:0]           s_axi_wdata,
  input  logic [3:0]            s_axi_wstrb,
  input  logic                  s_axi_wvalid,
  output logic                  s_axi_wready,
  output logic [1:0]            s_axi_bresp,
  output logic                  s_axi_bvalid,
  input  logic                  s_axi_bready,
  input  logic [11:0]           s_axi_araddr,
  input  logic                  s_axi_arvalid,
  output logic                  s_axi_arready,
  output logic [31:0]           s_axi_rdata,
  output logic [1:0]            s_axi_rresp,
  output logic                  s_axi_rvalid,
  input  logic                  s_axi_rready,
  output logic [31:0]           m_axi_araddr,
  output logic [3:0]            m_axi_arlen,
  output logic                  m_axi_arvalid,
  input  logic                  m_axi_arready,
  input  logic [63:0]           m_axi_rdata,
  input  logic [1:0]            m_axi_rresp,
  input  logic                  m_axi_rlast,
  input  logic                  m_axi_rvalid,
  output logic                  m_axi_rready,
  output logic [31:0]           m_axi_awaddr,
  output logic [3:0]            m_axi_awlen,
  output logic                  m_axi_awvalid,
  input  logic                  m_axi_awready,
  output logic [63:0]           m_axi_wdata,
  output logic                  m_axi_wlast,
  output logic                  m_axi_wvalid,
  input  logic                  m_axi_wready,
  input  logic [1:0]            m_axi_bresp,
  input  logic                  m_axi_bvalid,
  output logic                  m_axi_bready,
  output logic                  weights_start_o,
  output logic                  weights_clear_o,
  output logic [2:0][31:3]      weights_base_o,
  input  logic                  weights_busy_i,
  input  logic [2:0]            weights_error_i,
  output logic                  core_rst_no,
  output logic [8*InBytes-1:0]  m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  input  logic [8*OutBytes-1:0] s_axis_tdata,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready
);
  localparam logic [31:0] Id = 32'h3143_4842;
  localparam logic [31:0] Version = 32'd1;
  function automatic int unsigned slot(input int unsigned bytes);
    slot = bytes > 4 ? (bytes + 7) / 8 * 8 : bytes == 3 ? 4 : bytes;
  endfunction
  localparam int unsigned InSlot = slot(InBytes);
  localparam int unsigned OutSlot = slot(OutBytes);
  localparam int unsigned ResultWords = (ResultBeats * OutSlot + 7) / 8;

  // Registers, by bits 6 to 2 of the address.
  localparam logic [4:0] RegId = 5'h00;
  localparam logic [4:0] RegVersion = 5'h01;
  localparam logic [4:0] RegDigestLow = 5'h02;
  localparam logic [4:0] RegDigestHigh = 5'h03;
  localparam logic [4:0] RegInBeats = 5'h04;
  localparam logic [4:0] RegInSlot = 5'h05;
  localparam logic [4:0] RegResultWords = 5'h06;
  localparam logic [4:0] RegWeights = 5'h07;
  localparam logic [4:0] RegControl = 5'h08;
  localparam logic [4:0] RegStatus = 5'h09;
  localparam logic [4:0] RegIrqEnable = 5'h0A;
  localparam logic [4:0] RegJobIn = 5'h0C;
  localparam logic [4:0] RegJobInWords = 5'h0D;
  localparam logic [4:0] RegJobInBeats = 5'h0E;
  localparam logic [4:0] RegJobOut = 5'h0F;
  localparam logic [4:0] RegJobOutWords = 5'h10;
  localparam logic [4:0] RegCycles = 5'h11;
  localparam logic [4:0] RegLatency = 5'h12;
  localparam logic [4:0] RegWeightBase = 5'h14;   // and the two after it
  localparam logic [4:0] RegWeightWords = 5'h18;  // likewise

  logic [31:3] job_in_q, job_out_q;
  logic [28:0] job_in_words_q, job_out_words_q;
  logic [31:0] job_in_beats_q, cycles_q, latency_q, read_value;
  logic [4:0] error_q;
  logic irq_enable_q, busy_q, done_q, clear_q, finished;

  // One access at a time in each direction.
  logic write, read, in_range_w, in_range_r, start, clear, unused;
  logic [4:0] waddr, raddr;
  assign waddr = s_axi_awaddr[6:2];
  assign raddr = s_axi_araddr[6:2];
  assign in_range_w = s_axi_awaddr[11:7] == '0 && &s_axi_wstrb;
  assign in_range_r = s_axi_araddr[11:7] == '0;
  assign write = s_axi_awvalid && s_axi_wvalid && !s_axi_bvalid;
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_bresp = 2'b00;
  assign read = s_axi_arvalid && !s_axi_rvalid;
  assign s_axi_arready = read;
  assign s_axi_rresp = 2'b00;
  assign start = write && in_range_w && waddr == RegControl && s_axi_wdata[0] && !s_axi_wdata[1] && !busy_q && !clear_q;
  assign clear = write && in_range_w && waddr == RegControl && s_axi_wdata[1];
  assign irq_o = done_q && irq_enable_q;
  assign unused = ^{s_axi_awaddr[1:0], s_axi_araddr[1:0]};

  always_comb begin
    unique case (raddr)
      RegId: read_value = Id;
      RegVersion: read_value = Version;
      RegDigestLow: read_value = Digest[31:0];
      RegDigestHigh: read_value = Digest[63:32];
      RegInBeats: read_value = InBeats;
      RegInSlot: read_value = InSlot;
      RegResultWords: read_value = ResultWords;
      RegWeights: read_value = Weights;
      RegStatus: read_value = {19'd0, error_q, 6'd0, done_q, busy_q || clear_q};
      RegIrqEnable: read_value = {31'd0, irq_enable_q};
      RegJobIn: read_value = {job_in_q, 3'b000};
      RegJobInWords: read_value = {3'd0, job_in_words_q};
      RegJobInBeats: read_value = job_in_beats_q;
      RegJobOut: read_value = {job_out_q, 3'b000};
      RegJobOutWords: read_value = {3'd0, job_out_words_q};
      RegCycles: read_value = cycles_q;
      RegLatency: read_value = latency_q;
      RegWeightBase: read_value = {weights_base_o[0], 3'b000};
      RegWeightBase + 5'd1: read_value = {weights_base_o[1], 3'b000};
      RegWeightBase + 5'd2: read_value = {weights_base_o[2], 3'b000};
      RegWeightWords: read_value = WeightWords[31:0];
      RegWeightWords + 5'd1: read_value = WeightWords[63:32];
      RegWeightWords + 5'd2: read_value = WeightWords[95:64];
      default: read_value = '0;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      s_axi_bvalid <= 1'b0;
      s_axi_rvalid <= 1'b0;
      irq_enable_q <= 1'b0;
    end else begin
      s_axi_bvalid <= write || (s_axi_bvalid && !s_axi_bready);
      s_axi_rvalid <= read || (s_axi_rvalid && !s_axi_rready);
      if (write && in_range_w && waddr == RegIrqEnable) irq_enable_q <= s_axi_wdata[0];
    end
    if (read) s_axi_rdata <= in_range_r ? read_value : '0;
    if (write && in_range_w) begin
      if (waddr == RegJobIn) job_in_q <= s_axi_wdata[31:3];
      if (waddr == RegJobInWords) job_in_words_q <= s_axi_wdata[28:0];
      if (waddr == RegJobInBeats) job_in_beats_q <= s_axi_wdata;
      if (waddr == RegJobOut) job_out_q <= s_axi_wdata[31:3];
      if (waddr == RegJobOutWords) job_out_words_q <= s_axi_wdata[28:0];
    end
  end
  for (genvar i = 0; i < 3; i++) begin : gen_base
    if (i < Weights) begin : gen_register
      always_ff @(posedge clk_i) begin
        if (write && in_range_w && waddr == RegWeightBase + 5'(i)) weights_base_o[i] <= s_axi_wdata[31:3];
      end
    end else begin : gen_none
      assign weights_base_o[i] = '0;
    end
  end

  // Jobs, and clearing.
  logic core_rst_nq, read_busy, write_busy, in_valid, in_pass, in_beat, result_end, timing_q, cleared, weights_on_q;
  logic read_error, write_error;
  logic [31:0] left_q;  // beats of input that the design has not taken
  assign finished = busy_q && !read_busy && !write_busy && !in_valid && left_q == '0;
  assign weights_clear_o = clear_q;
  assign cleared = clear_q && !read_busy && !write_busy && !weights_busy_i;
  assign weights_start_o = cleared && weights_on_q;
  assign core_rst_no = core_rst_nq;
  always_ff @(posedge clk_i) begin
    core_rst_nq <= rst_ni && !clear_q;
    if (!rst_ni) begin
      clear_q <= 1'b0;
      busy_q <= 1'b0;
      done_q <= 1'b0;
    end else begin
      clear_q <= clear || (clear_q && !cleared);
      if (clear || clear_q) busy_q <= 1'b0;
      else busy_q <= start || (busy_q && !finished);
      if (start || clear || (write && in_range_w && waddr == RegStatus && s_axi_wdata[1])) done_q <= 1'b0;
      else if (finished && !clear_q) done_q <= 1'b1;
    end
    if (!rst_ni || clear_q) error_q <= '0;
    else error_q <= error_q | {weights_error_i, write_error, read_error};

    if (!rst_ni || clear_q) left_q <= '0;
    else if (start) left_q <= job_in_beats_q;
    else if (in_beat) left_q <= left_q - 32'd1;

    if (clear) weights_on_q <= s_axi_wdata[2];
    if (start) cycles_q <= '0;
    else if (busy_q) cycles_q <= cycles_q + 32'd1;
    if (!rst_ni || (result_end && !in_beat)) timing_q <= 1'b0;
    else if (in_beat) timing_q <= 1'b1;
    if (in_beat) latency_q <= 32'd1;
    else if (timing_q && !result_end) latency_q <= latency_q + 32'd1;
  end

  // From memory to the design. What is left of the last word is dropped.
  logic word_valid, word_ready;
  logic [63:0] word;
  logic [8*InSlot-1:0] in_data;
  bhc_axi_read #(.FifoDepth(64), .Bursts(4), .Style(Style)) u_read (
    .clk_i, .rst_ni, .start_i(start && job_in_words_q != '0), .clear_i(clear_q), .base_i(job_in_q), .words_i(job_in_words_q),
    .busy_o(read_busy), .error_o(read_error),
    .ar_addr_o(m_axi_araddr), .ar_len_o(m_axi_arlen), .ar_valid_o(m_axi_arvalid), .ar_ready_i(m_axi_arready),
    .r_data_i(m_axi_rdata), .r_resp_i(m_axi_rresp), .r_last_i(m_axi_rlast), .r_valid_i(m_axi_rvalid), .r_ready_o(m_axi_rready),
    .out_valid_o(word_valid), .out_ready_i(word_ready), .out_data_o(word)
  );
  bhc_width #(.Bits(8), .InLanes(8), .OutLanes(InSlot)) u_in_width (
    .clk_i, .rst_ni(core_rst_nq), .in_valid_i(word_valid), .in_ready_o(word_ready), .in_data_i(word),
    .out_valid_o(in_valid), .out_ready_i(!in_pass || m_axis_tready), .out_data_o(in_data)
  );
  assign in_pass = left_q != '0;
  assign m_axis_tvalid = in_valid && in_pass;
  assign m_axis_tdata = in_data[8*InBytes-1:0];
  assign in_beat = m_axis_tvalid && m_axis_tready;
  if (InSlot != InBytes) begin : gen_in_spare
    logic unused_spare;
    assign unused_spare = ^in_data[8*InSlot-1:8*InBytes];
  end

  // From the design to memory: beats, and after a result's last as many empty ones as make its last word whole.
  localparam int unsigned Pads = ResultWords * 8 / OutSlot - ResultBeats;
  logic out_valid, out_ready, pads_q, result_last, result_word_valid, result_word_ready;
  logic [63:0] result_word;
  bhc_count #(.Count(ResultBeats)) u_result (
    .clk_i, .rst_ni(core_rst_nq), .step_i(s_axis_tvalid && s_axis_tready), .last_o(result_last)
  );
  assign result_end = s_axis_tvalid && s_axis_tready && result_last;
  if (Pads != 0) begin : gen_pads
    logic pads_last;
    bhc_count #(.Count(Pads)) u_pads (.clk_i, .rst_ni(core_rst_nq), .step_i(pads_q && out_ready), .last_o(pads_last));
    always_ff @(posedge clk_i) begin
      if (!core_rst_nq) pads_q <= 1'b0;
      else pads_q <= pads_q ? !(out_ready && pads_last) : result_end;
    end
  end else begin : gen_whole
    assign pads_q = 1'b0;
  end
  assign out_valid = pads_q || s_axis_tvalid;
  assign s_axis_tready = out_ready && !pads_q;
  bhc_width #(.Bits(8), .InLanes(OutSlot), .OutLanes(8)) u_out_width (
    .clk_i, .rst_ni(core_rst_nq), .in_valid_i(out_valid), .in_ready_o(out_ready),
    .in_data_i((8*OutSlot)'(pads_q ? '0 : s_axis_tdata)),
    .out_valid_o(result_word_valid), .out_ready_i(result_word_ready), .out_data_o(result_word)
  );
  bhc_axi_write #(.FifoDepth(32), .Style(Style)) u_write (
    .clk_i, .rst_ni, .start_i(start && job_out_words_q != '0), .clear_i(clear_q), .base_i(job_out_q), .words_i(job_out_words_q),
    .busy_o(write_busy), .error_o(write_error),
    .in_valid_i(result_word_valid), .in_ready_o(result_word_ready), .in_data_i(result_word),
    .aw_addr_o(m_axi_awaddr), .aw_len_o(m_axi_awlen), .aw_valid_o(m_axi_awvalid), .aw_ready_i(m_axi_awready),
    .w_data_o(m_axi_wdata), .w_last_o(m_axi_wlast), .w_valid_o(m_axi_wvalid), .w_ready_i(m_axi_wready),
    .b_resp_i(m_axi_bresp), .b_valid_i(m_axi_bvalid), .b_ready_o(m_axi_bready)
  );
endmodule
