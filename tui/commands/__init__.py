"""What can be done from the prompt with `/`, and from the command palette."""
