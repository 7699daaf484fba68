"""Commands over events."""
