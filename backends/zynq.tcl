# For block designs of a Zynq-7000: cells, connections, and the processing system. The script that sources this has set here
# (its folder), board and clock_mhz.
namespace eval bhc {
  proc cell {vlnv name args} {
    set cell [create_bd_cell -type ip -vlnv $vlnv $name]
    if {[llength $args]} {
      set_property -dict $args $cell
    }
    return $cell
  }

  proc wire {driver args} {
    set objects [list [get_bd_pins $driver]]
    foreach pin $args {
      lappend objects [get_bd_pins $pin]
    }
    connect_bd_net {*}$objects
  }

  proc link {master slave} {
    connect_bd_intf_net [get_bd_intf_pins $master] [get_bd_intf_pins $slave]
  }

  # The processing system, with FCLK_CLK0 and M_AXI_GP0: from the vendor's board files if they are installed, else from
  # ps7.tcl. args: more of its parameters.
  proc processing_system {board_part args} {
    set system [cell xilinx.com:ip:processing_system7:5.5 ps]
    if {$board_part eq ""} {
      if {![file exists [file join $::here ps7.tcl]]} {
        error "no board files for $::board are installed, and bhc does not know its DDR memory"
      }
      source [file join $::here ps7.tcl]
      set_property -dict $ps7 $system
    }
    apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config [list \
      make_external "FIXED_IO, DDR" apply_board_preset [expr {$board_part ne ""}] Master Disable Slave Disable] $system
    set_property -dict [list \
      CONFIG.PCW_EN_CLK0_PORT 1 CONFIG.PCW_EN_RST0_PORT 1 CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $::clock_mhz \
      CONFIG.PCW_USE_M_AXI_GP0 1 {*}$args] $system
  }
}
