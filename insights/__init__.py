"""What was decided, read afterwards: the time-line of a user, and reports over all of them. It never ships."""
