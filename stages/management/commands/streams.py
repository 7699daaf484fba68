"""`manage.py streams`, on a stage or on this machine."""

from stages.management.operator_command import StageOrLocalCommand
from streams.management.commands import streams


class Command(StageOrLocalCommand, streams.Command):
    """The app's command, with a table of this machine or of a stage."""
