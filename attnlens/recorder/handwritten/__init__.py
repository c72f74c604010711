"""Hand-written attention: which softmax is attention, and what its operands and its axes are made of."""
