"""Running programs that nobody has to trust, such as those that models write."""
