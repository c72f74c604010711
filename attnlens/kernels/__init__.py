"""Statistics and row products of attention given as factors, without the weights: Triton on a GPU."""
