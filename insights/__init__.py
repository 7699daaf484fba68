"""Time-lines of a user and reports over all users, from recorded events. It never
ships."""
