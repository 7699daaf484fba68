"""`manage.py plans`, on a stage or on this machine."""

from stages.management.operator_command import StageOrLocalCommand
from streams.management.commands import plans


class Command(StageOrLocalCommand, plans.Command):
    """The app's command, with a table of this machine or of a stage."""
