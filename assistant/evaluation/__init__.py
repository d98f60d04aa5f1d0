"""Measuring models: functional correctness, infilling, the user's own code, cost, and comparisons."""
