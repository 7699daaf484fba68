"""In process, without an engine: mirrors `streams/`."""
