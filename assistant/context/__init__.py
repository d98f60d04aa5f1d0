"""What other files, and far parts of this one, have to say about the code at the cursor."""
