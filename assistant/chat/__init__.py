"""Talking with a model: messages, how they become its prompt, and what is made of its answers."""
