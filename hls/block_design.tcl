# Vivado: a Zynq-7000 system around bhc_top, as bhc.bit, bhc.hwh and bhc.xsa. run_hls.tcl has to make bhc_top.zip first.
#
#   vivado -mode batch -source block_design.tcl
#
#   M_AXI_GP0 --> registers of bhc_top (0x40000000) and of the DMA (0x40400000)
#   S_AXI_HP0 --> DMA MM2S --> [widen] --> [drop padding] --> bhc_top
#   S_AXI_HP0 <-- DMA S2MM <-- [narrow] <-- [add padding] <-- bhc_top
#
# A beat takes a power of two of bytes in memory, zeros above its own: transfers are whole words of the DMA, and no
# converter ever sees a partly filled one. The DMA moves up to 8 bytes a cycle, as S_AXI_HP0 does. There is one clock,
# FCLK_CLK0. The exit status is 0 only if there is a bitstream and timing is met.

# The Tcl of Vivado is 8.5.
set here [file dirname [file normalize [info script]]]
source [file join $here zynq.tcl]

namespace eval bhc {
  # Bytes of a beat in memory.
  proc stride {bytes} {
    set size 1
    while {$size < $bytes} {
      incr size $size
    }
    return $size
  }

  # Bytes of a word of the DMA's stream.
  proc word {bytes} {
    return [expr {min([stride $bytes], 8)}]
  }

  # Connects two ends of a stream through converters.
  proc stream {master slave converters} {
    foreach converter $converters {
      link $master $converter/S_AXIS
      set master $converter/M_AXIS
    }
    link $master $slave
  }

  proc dwidth {name from to} {
    cell xilinx.com:ip:axis_dwidth_converter:1.1 $name \
      CONFIG.S_TDATA_NUM_BYTES $from CONFIG.M_TDATA_NUM_BYTES $to \
      CONFIG.HAS_TLAST 1 CONFIG.HAS_TKEEP 1 CONFIG.HAS_TSTRB 0
    return $name
  }

  proc subset {name from to tdata tkeep} {
    # The widths would otherwise come from the neighbours, only after the remap strings have been checked.
    set cell [cell xilinx.com:ip:axis_subset_converter:1.1 $name \
      CONFIG.S_TDATA_NUM_BYTES.VALUE_SRC USER CONFIG.M_TDATA_NUM_BYTES.VALUE_SRC USER]
    set_property -dict [list \
      CONFIG.S_TDATA_NUM_BYTES $from CONFIG.M_TDATA_NUM_BYTES $to CONFIG.TDATA_REMAP $tdata \
      CONFIG.S_HAS_TKEEP 1 CONFIG.M_HAS_TKEEP 1 CONFIG.TKEEP_REMAP $tkeep \
      CONFIG.S_HAS_TLAST 1 CONFIG.M_HAS_TLAST 1 CONFIG.TLAST_REMAP {tlast[0]} \
      CONFIG.S_HAS_TSTRB 0 CONFIG.M_HAS_TSTRB 0] $cell
    return $name
  }

  # The converters from memory to bhc_top, whose beats have `bytes`.
  proc widen {bytes} {
    set converters {}
    if {[stride $bytes] > [word $bytes]} {
      lappend converters [dwidth input_width [word $bytes] [stride $bytes]]
    }
    if {[stride $bytes] > $bytes} {
      lappend converters [subset input_padding [stride $bytes] $bytes \
        "tdata\[[expr {8 * $bytes - 1}]:0\]" "tkeep\[[expr {$bytes - 1}]:0\]"]
    }
    return $converters
  }

  # The converters from bhc_top to memory.
  proc narrow {bytes} {
    set converters {}
    set spare [expr {[stride $bytes] - $bytes}]
    if {$spare} {
      lappend converters [subset output_padding $bytes [stride $bytes] \
        "[expr {8 * $spare}]'b[string repeat 0 [expr {8 * $spare}]],tdata\[[expr {8 * $bytes - 1}]:0\]" \
        "$spare'b[string repeat 1 $spare],tkeep\[[expr {$bytes - 1}]:0\]"]
    }
    if {[stride $bytes] > [word $bytes]} {
      lappend converters [dwidth output_width [stride $bytes] [word $bytes]]
    }
    return $converters
  }

  proc design {board_part} {
    create_bd_design system
    processing_system $board_part CONFIG.PCW_USE_S_AXI_HP0 1 CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64
    cell xilinx.com:ip:proc_sys_reset:5.0 reset
    cell xilinx.com:ip:axi_interconnect:2.1 control CONFIG.NUM_SI 1 CONFIG.NUM_MI 2
    cell xilinx.com:ip:axi_interconnect:2.1 memory CONFIG.NUM_SI 2 CONFIG.NUM_MI 1
    # Bursts of 16: the longest that S_AXI_HP0, an AXI3 port, takes.
    cell xilinx.com:ip:axi_dma:7.1 dma \
      CONFIG.c_include_sg 0 CONFIG.c_sg_include_stscntrl_strm 0 CONFIG.c_sg_length_width 26 \
      CONFIG.c_m_axi_mm2s_data_width 64 CONFIG.c_m_axis_mm2s_tdata_width [expr {8 * [word $::input_bytes]}] \
      CONFIG.c_m_axi_s2mm_data_width 64 CONFIG.c_s_axis_s2mm_tdata_width [expr {8 * [word $::output_bytes]}] \
      CONFIG.c_mm2s_burst_size 16 CONFIG.c_s2mm_burst_size 16

    set found [get_ipdefs -all *:hls:bhc_top:*]
    if {[llength $found] != 1} {
      error "bhc_top.zip does not hold the IP bhc_top, or several are installed: $found"
    }
    cell $found bhc_top

    set before [widen $::input_bytes]
    set after [narrow $::output_bytes]
    stream dma/M_AXIS_MM2S bhc_top/s_axis $before
    stream bhc_top/m_axis dma/S_AXIS_S2MM $after
    link ps/M_AXI_GP0 control/S00_AXI
    link control/M00_AXI bhc_top/s_axi_control
    link control/M01_AXI dma/S_AXI_LITE
    link dma/M_AXI_MM2S memory/S00_AXI
    link dma/M_AXI_S2MM memory/S01_AXI
    link memory/M00_AXI ps/S_AXI_HP0

    set clocked {
      ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK reset/slowest_sync_clk bhc_top/ap_clk
      dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk
      control/ACLK control/S00_ACLK control/M00_ACLK control/M01_ACLK
      memory/ACLK memory/S00_ACLK memory/S01_ACLK memory/M00_ACLK
    }
    set reset {
      bhc_top/ap_rst_n dma/axi_resetn
      control/S00_ARESETN control/M00_ARESETN control/M01_ARESETN
      memory/S00_ARESETN memory/S01_ARESETN memory/M00_ARESETN
    }
    foreach converter [concat $before $after] {
      lappend clocked $converter/aclk
      lappend reset $converter/aresetn
    }
    wire ps/FCLK_CLK0 {*}$clocked
    wire ps/FCLK_RESET0_N reset/ext_reset_in
    wire reset/interconnect_aresetn control/ARESETN memory/ARESETN
    wire reset/peripheral_aresetn {*}$reset

    set registers [get_bd_addr_spaces ps/Data]
    assign_bd_address -target_address_space $registers -offset 0x40000000 -range 64K \
      [get_bd_addr_segs bhc_top/s_axi_control/Reg]
    assign_bd_address -target_address_space $registers -offset 0x40400000 -range 64K \
      [get_bd_addr_segs dma/S_AXI_LITE/Reg]
    # What is left: the DDR memory, for the DMA.
    assign_bd_address

    validate_bd_design
    save_bd_design
  }

  proc bitstream {} {
    make_wrapper -top -import [get_files system.bd]
    set_property top system_wrapper [current_fileset]
    update_compile_order -fileset sources_1
    launch_runs impl_1 -to_step write_bitstream -jobs 4
    wait_on_runs impl_1
    set run [get_runs impl_1]
    if {[get_property PROGRESS $run] ne "100%"} {
      error "implementation failed: [get_property STATUS $run]; see [get_property DIRECTORY $run]"
    }
    open_run impl_1
    report_utilization -hierarchical -file utilization.rpt
    report_timing_summary -file timing.rpt
    set slack [get_property STATS.WNS $run]
    if {$slack < 0} {
      error "timing is not met: slack $slack ns at $::clock_mhz MHz, see timing.rpt; compile for a lower --clock"
    }
    file copy -force [file join [get_property DIRECTORY $run] system_wrapper.bit] bhc.bit
    file copy -force [file join vivado bhc.gen sources_1 bd system hw_handoff system.hwh] bhc.hwh
    write_hw_platform -fixed -include_bit -force bhc.xsa
  }

  proc run {} {
    cd $::here
    uplevel #0 source settings.tcl
    if {![file exists bhc_top.zip]} {
      error "there is no bhc_top.zip: run run_hls.tcl first"
    }
    create_project -force -part $::part bhc vivado
    set board_part [lindex [get_board_parts -quiet *:$::board:*] end]
    if {$board_part ne ""} {
      set_property board_part $board_part [current_project]
    }
    file delete -force ip
    file mkdir ip
    set_property ip_repo_paths [file normalize ip] [current_project]
    update_ip_catalog -add_ip [file normalize bhc_top.zip] -repo_path [file normalize ip]
    update_ip_catalog -rebuild
    design $board_part
    bitstream
  }
}

if {[catch bhc::run message details]} {
  puts stderr [dict get $details -errorinfo]
  exit 1
}
exit 0
