"""Tests of talking with a model."""
