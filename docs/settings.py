"""Generates the tables of `settings.md` from the declarations of the settings."""

from docs import markers
from docs.markers import code, prose, section
from streams_project.environment import VARIABLES

COMMON = (
    "STREAM_LIMIT",
    "WHEN_FULL",
    "LEASE_SECONDS",
    "PLANS",
    "AUTH_JWKS",
    "AUTH_ISSUER",
    "AUTH_AUDIENCE",
    "LEASE_TOKEN_KEYS",
)
"""The settings that the README shows."""


def passages() -> markers.Passages:
    """Return the generators of the passages about settings."""
    return {"settings": all_settings, "common-settings": common_settings}


def all_settings() -> str:
    """Return one table per section of the declarations."""
    names = dict.fromkeys(variable.section for variable in VARIABLES.values())
    return section(*map(_table, names))


def common_settings() -> str:
    """Return the table of the README."""
    variables = {name: VARIABLES[name] for name in COMMON}
    rows = [
        (
            code(name),
            _default(variable.default),
            prose(variable.help),
        )
        for name, variable in variables.items()
    ]
    return markers.table(("variable", "default", "meaning"), rows)


def _table(section_name: str) -> str:
    rows = [
        (
            code(name),
            prose(variable.kind),
            _default(variable.default),
            prose(variable.help),
            code(variable.example),
        )
        for name, variable in VARIABLES.items()
        if variable.section == section_name
    ]

    headings = ("variable", "type", "default", "meaning", "example")
    return section(f"## {section_name}", markers.table(headings, rows))


def _default(text: str) -> str:
    """Return a literal default as code. Text with spaces is a description."""
    if not text:
        return "none"

    return prose(text) if " " in text else code(text)
