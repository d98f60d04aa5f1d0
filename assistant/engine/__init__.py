"""Running a model: the protocol, and its llama.cpp implementation."""
