"""Values of environment variables, as the service reads them."""


def comma_separated(value: str | None) -> list[str]:
    """Return the parts of a comma-separated value, without spaces and empty parts."""
    parts = [part.strip() for part in (value or "").split(",")]
    return [part for part in parts if part]
