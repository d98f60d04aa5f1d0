"""Tests of how models are measured."""
