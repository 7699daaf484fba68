"""Generates `commands.md` from the parsers of the project's own commands."""

import argparse
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from django.core.management import BaseCommand, get_commands, load_command_class

from docs import markers

PROJECT = Path(__file__).resolve().parent.parent
BARE_URL = re.compile(r"https?://\S+")


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"commands": commands, "command-index": command_index}


def command_index() -> str:
    """Return one row per command, with the first sentence of its help."""
    rows = (
        (f"[`{name}`](#{name})", _first_sentence(parser.description))
        for name, parser in _parsers()
    )
    return markers.table(("command", "purpose"), rows)


def commands() -> str:
    """Return one section per command, with its actions, arguments and options."""
    sections = (
        f"## {name}\n\n{_describe(name, parser)}" for name, parser in _parsers()
    )
    return "\n\n".join(sections)


def own_commands() -> dict[str, str]:
    """Return the commands that this project defines, with their apps."""
    return {name: app for name, app in sorted(get_commands().items()) if _is_own(app)}


def _is_own(app: str) -> bool:
    package = find_spec(app.partition(".")[0])
    locations = (package and package.submodule_search_locations) or []
    return str(PROJECT / app.partition(".")[0]) in locations


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for name, app in own_commands().items():
        yield name, load_command_class(app, name).create_parser("manage.py", name)


def _describe(words: str, parser: argparse.ArgumentParser) -> str:
    """Return the help of a command or of one of its actions, as Markdown."""
    actions = _own_actions(parser)
    subcommands = [
        action for action in actions if isinstance(action, argparse._SubParsersAction)
    ]
    if subcommands:
        parts = [parser.description or "", *_describe_actions(words, subcommands[0])]
        return "\n\n".join(part for part in parts if part)

    usage = f"```text\npython manage.py {words}{_usage(actions)}\n```"
    parts = [parser.description or "", usage, _arguments(actions)]
    return "\n\n".join(part for part in parts if part)


def _describe_actions(
    words: str,
    subcommand: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> Iterator[str]:
    helps = {choice.dest: choice.help for choice in subcommand._choices_actions}

    for name, parser in subcommand.choices.items():
        yield f"### {words} {name}"
        if helps.get(name) and not parser.description:
            yield _sentence(helps[name])
        yield _describe(f"{words} {name}", parser)


def _own_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a command, except those that every command has.

    Positional arguments are first.
    """
    shared = BaseCommand().create_parser("manage.py", "any")
    shared_names = {action.dest for action in shared._actions}
    own = [
        action
        for action in parser._actions
        if action.dest not in shared_names and action.help != argparse.SUPPRESS
    ]
    return sorted(own, key=lambda action: bool(action.option_strings))


def _usage(actions: list[argparse.Action]) -> str:
    positional = [action for action in actions if not action.option_strings]
    has_options = len(positional) < len(actions)
    words = [*map(_positional, positional), *(["[OPTIONS]"] if has_options else [])]
    return "".join(f" {word}" for word in words)


def _positional(action: argparse.Action) -> str:
    name = _value_name(action)
    return f"[{name}]" if action.nargs in ("?", "*") else name


def _arguments(actions: list[argparse.Action]) -> str:
    if not actions:
        return ""

    rows = (
        (f"`{_argument(action)}`", _sentence(action.help), _default(action))
        for action in actions
    )
    return markers.table(("argument", "meaning", "default"), rows)


def _argument(action: argparse.Action) -> str:
    if not action.option_strings:
        return _value_name(action)

    option = max(action.option_strings, key=len)
    return option if action.nargs == 0 else f"{option} {_value_name(action)}"


def _value_name(action: argparse.Action) -> str:
    if action.metavar:
        return str(action.metavar)
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _default(action: argparse.Action) -> str:
    default = action.default
    is_shown = isinstance(default, int | float | str) and not isinstance(default, bool)
    if is_shown and default not in ("", argparse.SUPPRESS):
        return f"`{default}`"

    return "required" if action.required and action.option_strings else ""


def _sentence(text: str | None) -> str:
    """Return a help text with a capital letter and a full stop."""
    if not text:
        return ""

    words = text.replace("%%", "%").split()
    if words[0].isalpha() and words[0].islower():
        words[0] = words[0].capitalize()

    sentence = BARE_URL.sub(r"<\g<0>>", " ".join(words))
    return sentence if sentence.endswith((".", "?", "…")) else f"{sentence}."


def _first_sentence(text: str | None) -> str:
    first, stop, _ = _sentence(text).partition(". ")
    return f"{first}." if stop else first
