"""Pruning: from base weights and calibration tokens to masks and pruned weights.

Implements the unstructured, language-specific Wanda pruning of *Deriving Coding-Specific Sub-Models from LLMs using
Resource-Efficient Pruning* (arXiv 2501.05248). Knows nothing of projects, editors or the store: paths, arrays and
plain options in, arrays out.
"""
