"""The terminal chat: a Textual app on the same engine as the editor."""
