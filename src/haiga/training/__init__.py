"""Training: columns in, one loop, guards before the optimiser moves."""
