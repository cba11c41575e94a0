"""Training methods: functions and small classes on torch modules and tensors, for any training loop."""
