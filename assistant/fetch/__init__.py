"""Getting models, and putting them on the hub: the only part that opens connections, and only when told to."""
