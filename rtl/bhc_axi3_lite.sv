// From a Zynq processor's port M_AXI_GP (an AXI3 slave here) to an AXI4-Lite slave: bursts become single transfers, one at a time.
//
// The address of a burst advances with each beat (INCR); other kinds are not made for registers and not told apart. Size: up to 4
// bytes a beat. A burst's response is the worst of its transfers'. Reading and writing are independent of each other. A single read
// takes a cycle more than the slave's, a single write two.
module bhc_axi3_lite #(
  parameter int unsigned IdBits = 12,
  parameter int unsigned AddrBits = 12
) (
  input  logic                clk_i,
  input  logic                rst_ni,

  input  logic [IdBits-1:0]   s_axi_awid,
  input  logic [AddrBits-1:0] s_axi_awaddr,
  input  logic [1:0]          s_axi_awsize,
  input  logic                s_axi_awvalid,
  output logic                s_axi_awready,
  input  logic [31:0]         s_axi_wdata,
  input  logic [3:0]          s_axi_wstrb,
  input  logic                s_axi_wlast,
  input  logic                s_axi_wvalid,
  output logic                s_axi_wready,
  output logic [IdBits-1:0]   s_axi_bid,
  output logic [1:0]          s_axi_bresp,
  output logic                s_axi_bvalid,
  input  logic                s_axi_bready,
  input  logic [IdBits-1:0]   s_axi_arid,
  input  logic [AddrBits-1:0] s_axi_araddr,
  input  logic [3:0]          s_axi_arlen,
  input  logic [1:0]          s_axi_arsize,
  input  logic                s_axi_arvalid,
  output logic                s_axi_arready,
  output logic [IdBits-1:0]   s_axi_rid,
  output logic [31:0]         s_axi_rdata,
  output logic [1:0]          s_axi_rresp,
  output logic                s_axi_rlast,
  output logic                s_axi_rvalid,
  input  logic                s_axi_rready,

  output logic [AddrBits-1:0] m_axi_awaddr,
  output logic                m_axi_awvalid,
  input  logic                m_axi_awready,
  output logic [31:0]         m_axi_wdata,
  output logic [3:0]          m_axi_wstrb,
  output logic                m_axi_wvalid,
  input  logic                m_axi_wready,
  input  logic [1:0]          m_axi_bresp,
  input  logic                m_axi_bvalid,
  output logic                m_axi_bready,
  output logic [AddrBits-1:0] m_axi_araddr,
  output logic                m_axi_arvalid,
  input  logic                m_axi_arready,
  input  logic [31:0]         m_axi_rdata,
  input  logic [1:0]          m_axi_rresp,
  input  logic                m_axi_rvalid,
  output logic                m_axi_rready
);
  typedef enum logic [1:0] {WriteIdle, WriteBeat, WriteWait, WriteAnswer} write_e;
  typedef enum logic [1:0] {ReadIdle, ReadAsk, ReadWait} read_e;

  write_e write_q;
  logic [IdBits-1:0] write_id_q;
  logic [AddrBits-1:0] write_addr_q;
  logic [1:0] write_size_q, write_resp_q;
  logic write_last_q, addr_done_q, data_done_q, beat, addr_done, data_done;

  // Address and data of a transfer may be taken in either order.
  assign beat = write_q == WriteBeat && s_axi_wvalid;
  assign addr_done = addr_done_q || m_axi_awready;
  assign data_done = data_done_q || m_axi_wready;
  assign s_axi_awready = write_q == WriteIdle;
  assign s_axi_wready = beat && addr_done && data_done;
  assign m_axi_awaddr = write_addr_q;
  assign m_axi_awvalid = beat && !addr_done_q;
  assign m_axi_wdata = s_axi_wdata;
  assign m_axi_wstrb = s_axi_wstrb;
  assign m_axi_wvalid = beat && !data_done_q;
  assign m_axi_bready = write_q == WriteWait;
  assign s_axi_bid = write_id_q;
  assign s_axi_bresp = write_resp_q;
  assign s_axi_bvalid = write_q == WriteAnswer;

  always_ff @(posedge clk_i) begin
    case (write_q)
      WriteIdle: begin
        write_id_q <= s_axi_awid;
        write_addr_q <= s_axi_awaddr;
        write_size_q <= s_axi_awsize;
        write_resp_q <= '0;
        addr_done_q <= 1'b0;
        data_done_q <= 1'b0;
        if (s_axi_awvalid) write_q <= WriteBeat;
      end
      WriteBeat: begin
        if (beat) begin
          addr_done_q <= addr_done;
          data_done_q <= data_done;
        end
        write_last_q <= s_axi_wlast;
        if (s_axi_wready) write_q <= WriteWait;
      end
      WriteWait: begin
        addr_done_q <= 1'b0;
        data_done_q <= 1'b0;
        if (m_axi_bvalid) begin
          if (m_axi_bresp > write_resp_q) write_resp_q <= m_axi_bresp;
          write_addr_q <= write_addr_q + (AddrBits'(1) << write_size_q);
          write_q <= write_last_q ? WriteAnswer : WriteBeat;
        end
      end
      default: if (s_axi_bready) write_q <= WriteIdle;
    endcase
    if (!rst_ni) write_q <= WriteIdle;
  end

  read_e read_q;
  logic [IdBits-1:0] read_id_q;
  logic [AddrBits-1:0] read_addr_q;
  logic [1:0] read_size_q;
  logic [3:0] left_q;

  assign s_axi_arready = read_q == ReadIdle;
  assign m_axi_araddr = read_addr_q;
  assign m_axi_arvalid = read_q == ReadAsk;
  assign m_axi_rready = read_q == ReadWait && s_axi_rready;
  assign s_axi_rid = read_id_q;
  assign s_axi_rdata = m_axi_rdata;
  assign s_axi_rresp = m_axi_rresp;
  assign s_axi_rlast = left_q == '0;
  assign s_axi_rvalid = read_q == ReadWait && m_axi_rvalid;

  always_ff @(posedge clk_i) begin
    case (read_q)
      ReadIdle: begin
        read_id_q <= s_axi_arid;
        read_addr_q <= s_axi_araddr;
        read_size_q <= s_axi_arsize;
        left_q <= s_axi_arlen;
        if (s_axi_arvalid) read_q <= ReadAsk;
      end
      ReadAsk: if (m_axi_arready) read_q <= ReadWait;
      default: begin
        if (s_axi_rvalid && s_axi_rready) begin
          left_q <= left_q - 4'd1;
          read_addr_q <= read_addr_q + (AddrBits'(1) << read_size_q);
          read_q <= s_axi_rlast ? ReadIdle : ReadAsk;
        end
      end
    endcase
    if (!rst_ni) read_q <= ReadIdle;
  end
endmodule
