# Before synthesis: paths of memory images in the sources are relative to the folder of this run.
set images [file join [file dirname [file normalize [info script]]] .. mem]
file delete -force mem
if {[file isdirectory $images]} {
  file copy $images mem
}
