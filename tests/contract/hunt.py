"""A hunt: Hypothesis generates programs until a time; a failure is made smaller.

Hypothesis shrinks every choice of a program. Removing whole steps first is much faster,
so a hunt does that itself, and then resets the fields of the steps that are left.
"""

import time
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given

from tests.contract.order import Search
from tests.contract.programs import (
    Program,
    Step,
    catalogue_of,
    programs,
    run_program,
)
from tests.contract.world import served

SHRINK_SECONDS = 60


class Unexplained(AssertionError):
    """A program whose answers no order of its calls explains."""


@dataclass
class Hunt:
    """Programs under one catalogue. `smallest` is the shortest failure so far."""

    catalogue: str
    until: float
    seed: int = 0
    with_faults: bool = True
    programs: int = 0
    calls: int = 0
    smallest: tuple[Program, Search] | None = None

    def run(self, *, max_programs: int) -> None:
        """Run programs until one fails or the time is over; shrink the failure."""
        settings = hypothesis.settings(
            max_examples=max_programs,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        strategy = programs(self.catalogue, with_faults=self.with_faults)
        test: Any = given(strategy)(self._check)
        try:
            hypothesis.seed(self.seed)(settings(test))()
        except Unexplained:
            self._shrink(until=time.monotonic() + SHRINK_SECONDS)

    def _check(self, program: Program) -> None:
        is_over = time.monotonic() > self.until
        if is_over and self.smallest is None:
            return

        search = run(program)
        self.programs += 1
        self.calls += len(search.events)
        if not search.finds_order():
            self.smallest = program, search
            raise Unexplained

    def _shrink(self, *, until: float) -> None:
        """Try simpler programs until none of them fails."""
        assert self.smallest is not None
        is_smaller = True
        while is_smaller:
            is_smaller = False
            for program in simpler(self.smallest[0]):
                if time.monotonic() > until:
                    return
                search = run(program)
                if not search.finds_order():
                    self.smallest = program, search
                    is_smaller = True
                    break

    def __str__(self) -> str:
        """Return the smallest failure."""
        if self.smallest is None:
            return "explained"
        program, search = self.smallest
        steps = "\n".join(f"    {told(step)}" for step in program.steps)
        mode = "open" if program.is_open else "closed"
        setting = f"{program.catalogue}, burst {program.burst}, {mode}"
        return f"{setting}:\n{steps}\n{search}"


def run(program: Program) -> Search:
    """Run a program over the engine."""
    with served(catalogue_of(program)) as serve:
        return run_program(program, serve)


def simpler(program: Program) -> Iterator[Program]:
    """Yield programs with fewer steps, and then with plainer steps."""
    steps = program.steps
    for size in (8, 4, 2, 1):
        for first in range(0, len(steps), size):
            rest = steps[:first] + steps[first + size :]
            if len(rest) < len(steps):
                yield replace(program, steps=rest)

    for position, step in enumerate(steps):
        for plainer in _plainer(step):
            changed = (*steps[:position], plainer, *steps[position + 1 :])
            yield replace(program, steps=changed)
        if step.inside is not None:
            alone = replace(step, inside=None)
            changed = (*steps[:position], alone, step.inside, *steps[position + 1 :])
            yield replace(program, steps=changed)


def _plainer(step: Step) -> Iterator[Step]:
    for field in fields(step):
        is_default = getattr(step, field.name) == field.default
        if field.default is not MISSING and not is_default and field.name != "said":
            yield replace(step, **{field.name: field.default})


def told(step: Step) -> str:
    """Return a step with the fields that are not defaults."""
    arguments = []
    for field in fields(step):
        value = getattr(step, field.name)
        if isinstance(value, Step):
            arguments.append(f"{field.name}={told(value)}")
        elif value != field.default:
            arguments.append(f"{field.name}={value!r}")
    return f"Step({', '.join(arguments)})"
