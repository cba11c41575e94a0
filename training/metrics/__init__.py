"""What is measured of a trained network: quality, calibration, cost, sparsity; and plots of it."""
