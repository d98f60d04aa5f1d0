"""Getting base models: the only part of the program that opens connections, and only when told to."""
