"""`manage.py limit`, on a stage or on this machine."""

from stages.management.operator_command import StageOrLocalCommand
from streams.management.commands import limit


class Command(StageOrLocalCommand, limit.Command):
    """The app's command, with a table of this machine or of a stage."""
