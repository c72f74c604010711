"""Statistics of attention over whole batches, without the weights: blocked torch everywhere."""
