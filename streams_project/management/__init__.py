"""Commands of local development."""
