# Stand-ins for the Tcl commands of the vendor's tools. Each knows its options and arguments from the reference manual, refuses
# what the manual does not list, and records the call: a line of JSON in the file that VENDOR_CALLS names.
#
# VENDOR_FAIL in the environment names a command that fails.
namespace eval vendor {
  variable log [open $::env(VENDOR_CALLS) w]

  proc quoted {text} {
    return "\"[string map {\\ \\\\ \" \\\" \n \\n \t \\t} $text]\""
  }

  proc record {name options operands} {
    variable log
    set pairs {}
    foreach {key value} $options {
      lappend pairs "[quoted $key]: [quoted $value]"
    }
    set words {}
    foreach word $operands {
      lappend words [quoted $word]
    }
    puts $log "{\"command\": [quoted $name], \"options\": {[join $pairs ", "]}, \"operands\": \[[join $words ", "]\]}"
    flush $log
  }

  # A command. valued: options with a value, each followed by a regular expression for it. flags: options without.
  # least, most: how many operands. body: what it does, given `options` (a dictionary) and `operands`.
  proc command {name valued flags least most {body {}}} {
    proc ::$name args "vendor::call [list $name $valued $flags $least $most $body] \$args"
  }

  proc call {name valued flags least most body arguments} {
    set options {}
    set operands {}
    while {[llength $arguments]} {
      set arguments [lassign $arguments word]
      if {![regexp {^-[a-zA-Z]} $word]} {
        lappend operands $word
      } elseif {$word in $flags} {
        dict set options $word 1
      } elseif {[dict exists $valued $word]} {
        if {![llength $arguments]} {
          error "$name: $word needs a value"
        }
        set arguments [lassign $arguments value]
        if {![regexp "^(?:[dict get $valued $word])\$" $value]} {
          error "$name: $word cannot be '$value'"
        }
        dict set options $word $value
      } else {
        error "$name: there is no option '$word'"
      }
    }
    if {[llength $operands] < $least || [llength $operands] > $most} {
      error "$name: [llength $operands] arguments, not $least to $most: $operands"
    }
    record $name $options $operands
    if {[info exists ::env(VENDOR_FAIL)] && $::env(VENDOR_FAIL) eq $name} {
      error "$name failed"
    }
    return [apply [list {options operands} $body ::vendor] $options $operands]
  }

  proc need {condition message} {
    if {!$condition} {
      error $message
    }
  }

  proc need_file {name} {
    need [file isfile $name] "there is no file '$name'"
  }
}

# Misspelt commands, and no search for programs of that name.
proc unknown {args} {
  error "invalid command name '[lindex $args 0]'"
}

# The tools run Tcl 8.5: these came later.
foreach newer {lmap try throw tailcall coroutine yield yieldto} {
  rename $newer {}
}
