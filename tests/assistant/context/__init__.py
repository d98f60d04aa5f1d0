"""Tests of the context from other files."""
