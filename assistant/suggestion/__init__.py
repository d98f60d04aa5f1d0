"""Suggestions while a person types: what is asked, what is answered, and everything between the two but the model."""
