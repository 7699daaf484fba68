"""The service over HTTP, in this process."""
