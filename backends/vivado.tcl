# Vivado: from the sources beside this folder to ../bitstream.bit, with timing.rpt and utilization.rpt here.
#
#   vivado -mode batch -source vivado.tcl
#
# On a Zynq, a block design around bhc_zynq, and ../bitstream.hwh and ../bitstream.xsa besides:
#
#   M_AXI_GP0 --> registers of the design (0x43C00000)
#   S_AXI_HP0 <-- windows in, results out; S_AXI_HP1 .. HP3 <-- weights, where they stay in memory
#   IRQ_F2P   <-- the design's interrupt
#
# There is one clock, FCLK_CLK0. On other boards bhc_board is the top, with pins.xdc. The exit status is 0 only if there is a
# bitstream and timing is met.

# The Tcl of Vivado is 8.5.
set here [file dirname [file normalize [info script]]]

namespace eval bhc {
  proc block_design {board_part} {
    create_bd_design system
    set memory {}
    for {set i 0} {$i < [llength $::masters]} {incr i} {
      lappend memory CONFIG.PCW_USE_S_AXI_HP$i 1 CONFIG.PCW_S_AXI_HP${i}_DATA_WIDTH 64
    }
    processing_system $board_part CONFIG.PCW_USE_FABRIC_INTERRUPT 1 CONFIG.PCW_IRQ_F2P_INTR 1 {*}$memory
    cell xilinx.com:ip:proc_sys_reset:5.0 reset
    create_bd_cell -type module -reference bhc_zynq_bd bhc

    # From AXI3 to AXI4-Lite; and one for each port to memory, which gives the identifiers that the design has not.
    set between control
    cell xilinx.com:ip:axi_interconnect:2.1 control CONFIG.NUM_SI 1 CONFIG.NUM_MI 1
    link ps/M_AXI_GP0 control/S00_AXI
    link control/M00_AXI bhc/s_axi
    set clocked {ps/M_AXI_GP0_ACLK}
    set i 0
    foreach master $::masters {
      cell xilinx.com:ip:axi_interconnect:2.1 memory$i CONFIG.NUM_SI 1 CONFIG.NUM_MI 1
      link bhc/$master memory$i/S00_AXI
      link memory$i/M00_AXI ps/S_AXI_HP$i
      lappend between memory$i
      lappend clocked ps/S_AXI_HP${i}_ACLK
      incr i
    }
    set whole {}
    set parts bhc/aresetn
    lappend clocked reset/slowest_sync_clk bhc/aclk
    foreach interconnect $between {
      lappend clocked $interconnect/ACLK $interconnect/S00_ACLK $interconnect/M00_ACLK
      lappend whole $interconnect/ARESETN
      lappend parts $interconnect/S00_ARESETN $interconnect/M00_ARESETN
    }
    wire ps/FCLK_CLK0 {*}$clocked
    wire ps/FCLK_RESET0_N reset/ext_reset_in
    wire reset/interconnect_aresetn {*}$whole
    wire reset/peripheral_aresetn {*}$parts
    wire bhc/irq_o ps/IRQ_F2P

    assign_bd_address -target_address_space [get_bd_addr_spaces ps/Data] -offset 0x43C00000 -range 4K \
      [get_bd_addr_segs bhc/s_axi/reg0]
    # What is left: the DDR memory, for the design.
    assign_bd_address

    validate_bd_design
    save_bd_design
    # As a part of the whole, and not for itself, where the memory images are not.
    set_property synth_checkpoint_mode None [get_files system.bd]
    make_wrapper -top -import [get_files system.bd]
  }

  proc sources {} {
    set files {}
    foreach file [lsort [glob [file join $::here .. rtl *.sv]]] {
      # That one is for netlists without a block design.
      if {[file tail $file] ne "bhc_zynq_ps7.sv"} {
        lappend files [file normalize $file]
      }
    }
    if {$::zynq} {
      lappend files [file join $::here bhc_zynq_bd.v]
    } else {
      add_files -fileset constrs_1 -norecurse [list [file normalize [file join $::here .. pins.xdc]]]
    }
    add_files -norecurse $files
    update_compile_order -fileset sources_1
  }

  proc bitstream {} {
    set_property top $::top [current_fileset]
    update_compile_order -fileset sources_1
    set_property STEPS.SYNTH_DESIGN.TCL.PRE [file join $::here memory.tcl] [get_runs synth_1]
    launch_runs impl_1 -to_step write_bitstream -jobs 4
    wait_on_runs impl_1
    set run [get_runs impl_1]
    if {[get_property PROGRESS $run] ne "100%"} {
      error "implementation failed: [get_property STATUS $run]; see [get_property DIRECTORY $run]"
    }
    open_run impl_1
    report_utilization -file utilization.rpt
    report_timing_summary -file timing.rpt
    foreach {name what} {STATS.WNS setup STATS.WHS hold} {
      set slack [get_property $name $run]
      if {$slack < 0} {
        error "timing is not met: $what slack $slack ns at $::clock_mhz MHz, see timing.rpt; compile for a lower --clock"
      }
    }
    file copy -force [file join [get_property DIRECTORY $run] $::top.bit] [file join .. bitstream.bit]
    if {$::zynq} {
      file copy -force [file join project bhc.gen sources_1 bd system hw_handoff system.hwh] [file join .. bitstream.hwh]
      write_hw_platform -fixed -include_bit -force [file join .. bitstream.xsa]
    }
  }

  proc run {} {
    cd $::here
    uplevel #0 source settings.tcl
    create_project -force -part $::part bhc project
    sources
    if {$::zynq} {
      uplevel #0 [list source [file join $::here zynq.tcl]]
      set board_part [lindex [get_board_parts -quiet *:$::board:*] end]
      if {$board_part ne ""} {
        set_property board_part $board_part [current_project]
      }
      block_design $board_part
    }
    bitstream
  }
}

if {[catch bhc::run message details]} {
  puts stderr [dict get $details -errorinfo]
  exit 1
}
exit 0
