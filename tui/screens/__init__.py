"""Screens over the conversation: each asks for one thing, and gives back what the user chose."""
