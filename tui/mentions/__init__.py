"""What the user names with `@`: completed while it is typed, and read when the message is sent."""
