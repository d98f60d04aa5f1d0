"""Searching for the recipe that gives the best quality within limits on this machine."""
