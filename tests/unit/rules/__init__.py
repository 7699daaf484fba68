"""The pure rule."""
