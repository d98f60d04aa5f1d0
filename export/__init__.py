"""From pruned weights to files: quantisation that keeps zeros, and GGUF.

Knows nothing of projects, editors or the store: paths, arrays and plain options in, files out.
"""
