"""`manage.py plan_capacity --concurrent 10000000`.

Estimates the AWS capacity that a population of players needs, and the cost of a month.
"""

import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from capacity import estimate_formats
from capacity.costs import COMPUTES, FRONTS, Hosting
from capacity.demand import Demand
from capacity.estimate import CapacityEstimate
from capacity.players import Players, players_of
from capacity.prices import prices_of
from reporting.charts import MissingLibrary


class Command(BaseCommand):
    """Estimate capacity and cost."""

    help = (
        "Estimates requests per second by kind, DynamoDB units and partitions, Lambda "
        "concurrency, quotas and when to request an increase, logs, and dollars a "
        "month by part, for a population of players. It makes no call to AWS; the "
        "prices are in capacity/prices.toml."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        for field in dataclasses.fields(Players):
            _add_field(parser, field)

        _add_hosting(parser)

        formats = parser.add_mutually_exclusive_group()
        formats.add_argument(
            "--json",
            action="store_const",
            const="json",
            dest="format",
            help="print JSON for programs: docs/scaling.md",
        )
        formats.add_argument(
            "--html",
            action="store_const",
            const="html",
            dest="format",
            help="print a page with charts",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        estimate = _estimate(options)
        match options["format"]:
            case "json":
                self.stdout.write(json.dumps(estimate.as_json()))
            case "html":
                try:
                    self.stdout.write(estimate_formats.as_html(estimate))
                except MissingLibrary as exc:
                    raise CommandError(str(exc)) from exc
            case _:
                text = estimate_formats.as_text(
                    estimate, is_terminal=self.stdout.isatty()
                )
                self.stdout.write(text)


def _add_field(parser: CommandParser, field: dataclasses.Field[Any]) -> None:
    """Add the option of a field of `Players`."""
    is_required = field.default is dataclasses.MISSING
    default = "" if is_required else f" ({field.default:g})"
    parser.add_argument(
        "--" + field.name.replace("_", "-"),
        type=int if field.type is int else float,
        required=is_required,
        help=field.metadata["help"] + default,
    )


def _add_hosting(parser: CommandParser) -> None:
    """Add the options of `Hosting`, and the region."""
    parser.add_argument(
        "--region",
        default="eu-west-1",
        help="a region of capacity/prices.toml (eu-west-1)",
    )
    parser.add_argument(
        "--front",
        choices=FRONTS,
        default="rest",
        help="REST API, HTTP API, load balancer, function URL",
    )
    parser.add_argument("--compute", choices=COMPUTES, default="lambda")
    parser.add_argument(
        "--provisioned",
        action="store_true",
        help="pay for units with auto-scaling instead of requests",
    )
    parser.add_argument(
        "--web-acl",
        action="store_true",
        help="with viewer_rate, which AWS WAF counts",
    )
    parser.add_argument(
        "--renewals-per-line",
        "--renewals-a-line",
        type=int,
        choices=range(1, 1001),
        default=20,
        metavar="N",
        help="EVENTS_SAMPLE_RENEWALS (20)",
    )
    parser.add_argument("--traces", action="store_true", help="xray_tracing is on")


def _estimate(options: dict[str, Any]) -> CapacityEstimate:
    """Return the estimate that the options describe.

    Raises:
        CommandError
    """
    # The model can be imported when the apps are loaded.
    from capacity.items import typical_item_sizes

    hosting = Hosting(
        front=options["front"],
        compute=options["compute"],
        is_provisioned=options["provisioned"],
        is_traced=options["traces"],
        has_web_acl=options["web_acl"],
        renewals_per_line=options["renewals_per_line"],
    )
    if hosting.compute == "fargate" and hosting.front != "alb":
        raise CommandError("--compute fargate needs a load balancer: --front alb.")

    try:
        demand = Demand(players_of(options), typical_item_sizes())
        return CapacityEstimate(demand, prices_of(options["region"]), hosting)
    except ValueError as exc:
        raise CommandError(str(exc)) from exc
