// Runs the bench of test_pins.py to its $finish. What has no reset starts at random.

#include "Vbench.h"
#include "verilated.h"
#include "verilated_timing.cpp"

int main() {
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(1);
  Vbench top(&context);
  while (!context.gotFinish()) {
    top.eval();
    if (!top.eventsPending()) break;
    context.time(top.nextTimeSlot());
  }
  top.final();
  return 0;
}
