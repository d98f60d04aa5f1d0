"""Sparse GGUF: pruned matrices stored as mask, block scales and surviving values. The format is docs/sparse-gguf.md."""
