"""Commands for local development, which never ship."""
