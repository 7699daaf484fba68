"""Lengths of time as people say them."""


def in_words(seconds: float) -> str:
    """`42 s`, `3 min`, `5 h`: the largest unit of which there are two."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
