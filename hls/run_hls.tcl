# Vitis HLS: simulates and synthesises bhc_top, and packs it as an IP: bhc_top.zip.
#
#   vitis_hls -f run_hls.tcl                    up to 2024.1
#   vitis-run --mode hls --tcl run_hls.tcl      from 2023.2
#
# BHC_STEPS in the environment names the steps: some of csim csynth cosim export; all but cosim without it. cosim and
# export bring csynth along. The exit status is 0 only if every step succeeded.

# The Tcl of these tools is 8.5.
namespace eval bhc {
  proc steps {} {
    set known {csim csynth cosim export}
    if {![info exists ::env(BHC_STEPS)]} {
      return {csim csynth export}
    }
    set wanted [regexp -all -inline {[^\s,]+} $::env(BHC_STEPS)]
    foreach step $wanted {
      if {$step ni $known} {
        error "BHC_STEPS names '$step'; the steps are $known"
      }
    }
    if {"cosim" in $wanted || "export" in $wanted} {
      lappend wanted csynth
    }
    set ordered {}
    foreach step $known {
      if {$step in $wanted} {
        lappend ordered $step
      }
    }
    return $ordered
  }

  proc run {} {
    cd [file dirname [file normalize [info script]]]
    source settings.tcl
    set steps [steps]

    open_project -reset project
    set_top bhc_top
    add_files -cflags $cflags bhc_top.cpp
    add_files -tb -cflags $cflags bhc_top_tb.cpp
    open_solution -reset -flow_target vivado solution
    set_part $part
    create_clock -name default -period [expr {1000.0 / $clock_mhz}]

    foreach step $steps {
      puts "bhc: $step"
      switch $step {
        csim   { csim_design -clean }
        csynth { csynth_design }
        cosim  { cosim_design -rtl verilog }
        export { export_design -format ip_catalog -output [file normalize bhc_top.zip] }
      }
    }
  }
}

if {[catch bhc::run message details]} {
  puts stderr [dict get $details -errorinfo]
  exit 1
}
exit 0
