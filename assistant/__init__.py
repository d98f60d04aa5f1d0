"""What editor and chat share: command line, detection, catalog, store, prompts, engine and completion."""
