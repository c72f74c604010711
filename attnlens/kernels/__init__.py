"""Statistics and row products of attention over whole batches, without the weights.

Fused Triton kernels on a GPU, blocked torch elsewhere.

`_head_sums` is the torch side, `_fused` says where the kernels stand in for it, `_triton_*` are the kernels.
"""
