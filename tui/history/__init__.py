"""Sessions of the chat, kept in SQLite: messages in a tree, found by their text, safe from crashes."""
