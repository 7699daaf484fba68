"""Generates `commands.md` from the parsers of the project's own commands."""

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from django.core.management import BaseCommand, get_commands, load_command_class

from docs import markers
from docs.markers import code, link, prose, section

PROJECT = Path(__file__).resolve().parent.parent

type Parser = argparse.ArgumentParser


def passages() -> markers.Passages:
    """Return the generators of the page's passages."""
    return {"commands": commands, "command-index": command_index}


def command_index() -> str:
    """Return one row per command, with the first sentence of its help."""
    rows = [
        (
            link(code(name), f"#{name}"),
            _first_sentence(parser.description),
        )
        for name, parser in _parsers()
    ]
    return markers.table(("command", "purpose"), rows)


def commands() -> str:
    """Return one section per command, with its actions, arguments and options."""
    sections = [
        section(f"## {name}", _describe(name, parser)) for name, parser in _parsers()
    ]
    return section(*sections)


def own_commands() -> dict[str, str]:
    """Return the commands that this project defines, with their apps."""
    every_command = sorted(get_commands().items())
    return {name: app for name, app in every_command if _is_own(app)}


def _is_own(app: str) -> bool:
    package = app.partition(".")[0]
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return False

    return str(PROJECT / package) in spec.submodule_search_locations


def _parsers() -> Iterator[tuple[str, Parser]]:
    for name, app in own_commands().items():
        command = load_command_class(app, name)
        yield name, command.create_parser("manage.py", name)


def _describe(words: str, parser: Parser) -> str:
    """Return the help of a command or of one of its actions, as Markdown."""
    description = parser.description or ""
    arguments = _own_arguments(parser)

    for argument in arguments:
        if isinstance(argument, argparse._SubParsersAction):
            return section(description, *_describe_actions(words, argument))

    usage = f"python manage.py {words}{_usage(arguments)}"
    return section(
        description,
        f"```text\n{usage}\n```",
        _table_of_arguments(arguments),
    )


def _describe_actions(
    words: str,
    actions: "argparse._SubParsersAction[Parser]",
) -> Iterator[str]:
    helps = {action.dest: action.help for action in actions._choices_actions}

    for name, parser in actions.choices.items():
        yield f"### {words} {name}"
        if not parser.description:
            yield _sentence(helps.get(name))
        yield _describe(f"{words} {name}", parser)


def _own_arguments(parser: Parser) -> list[argparse.Action]:
    """Return the arguments of a command, except those that every command has.

    Positional arguments are first.
    """
    shared = BaseCommand().create_parser("manage.py", "any")
    shared_names = {argument.dest for argument in shared._actions}
    own = [
        argument
        for argument in parser._actions
        if argument.dest not in shared_names and argument.help != argparse.SUPPRESS
    ]
    return sorted(own, key=_is_option)


def _is_option(argument: argparse.Action) -> bool:
    return bool(argument.option_strings)


def _usage(arguments: list[argparse.Action]) -> str:
    words = [
        _positional(argument) for argument in arguments if not _is_option(argument)
    ]
    if any(map(_is_option, arguments)):
        words.append("[OPTIONS]")

    return "".join(f" {word}" for word in words)


def _positional(argument: argparse.Action) -> str:
    name = _value_name(argument)
    is_optional = argument.nargs in ("?", "*")
    return f"[{name}]" if is_optional else name


def _table_of_arguments(arguments: list[argparse.Action]) -> str:
    if not arguments:
        return ""

    rows = [
        (
            code(_argument(argument)),
            _sentence(argument.help),
            _default(argument),
        )
        for argument in arguments
    ]
    return markers.table(("argument", "meaning", "default"), rows)


def _argument(argument: argparse.Action) -> str:
    if not _is_option(argument):
        return _value_name(argument)

    option = max(argument.option_strings, key=len)
    if argument.nargs == 0:
        return option

    return f"{option} {_value_name(argument)}"


def _value_name(argument: argparse.Action) -> str:
    if argument.metavar:
        return str(argument.metavar)

    if argument.choices:
        choices = ",".join(map(str, argument.choices))
        return f"{{{choices}}}"

    return argument.dest.upper()


def _default(argument: argparse.Action) -> str:
    """Return the default of an argument, unless it is empty or a flag's."""
    default = argument.default
    is_flag = isinstance(default, bool)
    is_value = isinstance(default, int | float | str) and not is_flag
    if is_value and default not in ("", argparse.SUPPRESS):
        return code(default)

    return "required" if argument.required and _is_option(argument) else ""


def _sentence(text: str | None) -> str:
    """Return a help text with a capital letter and a full stop."""
    if not text:
        return ""

    first, *others = text.replace("%%", "%").split()
    if first.isalpha() and first.islower():
        first = first.capitalize()

    sentence = " ".join([first, *others])
    if not sentence.endswith((".", "?", "…")):
        sentence += "."

    return prose(sentence)


def _first_sentence(text: str | None) -> str:
    first, *others = _sentence(text).split(". ")
    return f"{first}." if others else first
