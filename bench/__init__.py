"""What it costs, measured beside what one would otherwise write."""
