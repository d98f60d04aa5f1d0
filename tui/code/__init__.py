"""Code of answers and of the project: blocks, definitions, and changes to files that the user reviews."""
