"""Tests of suggestions while a person types."""
