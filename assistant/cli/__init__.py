"""The `sned` command: one module a subcommand, each a parser and a typed function."""
