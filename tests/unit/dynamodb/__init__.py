"""What sends a call, and what it makes of an answer."""
