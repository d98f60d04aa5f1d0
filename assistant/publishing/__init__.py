"""Published sub-models: a folder that any web server can serve, its index, and who signed it."""
