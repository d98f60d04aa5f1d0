"""How each editor is told of the language server: configurations as files, and where they belong."""
