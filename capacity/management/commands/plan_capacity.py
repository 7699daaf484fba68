"""`manage.py plan_capacity --concurrent 10000000`: what so many players need of AWS, and what a month costs."""

import dataclasses
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from capacity.costs import FRONTS, Choice
from capacity.demand import Demand
from capacity.estimate import CapacityEstimate
from capacity.players import Players, population_of
from capacity.prices import prices_of


class Command(BaseCommand):
    """Estimate capacity and cost."""

    help = (
        "Requests a second by verb, DynamoDB units and partitions, Lambda concurrency, quotas to raise and by when, "
        "logs, and dollars a month by part, for a population of players. It calls nothing; prices are in "
        "capacity/prices.toml."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        for field in dataclasses.fields(Players):
            is_needed = field.default is dataclasses.MISSING
            shown = "" if is_needed else f" ({field.default:g})"
            option = "--" + field.name.replace("_", "-")
            kind = int if field.type is int else float
            parser.add_argument(
                option,
                type=kind,
                required=is_needed,
                help=field.metadata["help"] + shown,
            )
        parser.add_argument(
            "--region",
            default="eu-west-1",
            help="one that capacity/prices.toml has (eu-west-1)",
        )
        parser.add_argument(
            "--front",
            choices=FRONTS,
            default="rest",
            help="REST API, HTTP API, load balancer, function URL",
        )
        parser.add_argument(
            "--compute", choices=("lambda", "fargate"), default="lambda"
        )
        parser.add_argument(
            "--provisioned",
            action="store_true",
            help="units with auto-scaling, not by the request",
        )
        parser.add_argument(
            "--web-acl",
            action="store_true",
            help="with viewer_rate, which AWS WAF counts",
        )
        parser.add_argument(
            "--renewals-a-line",
            type=int,
            choices=range(1, 1001),
            default=20,
            metavar="N",
            help="EVENTS_SAMPLE_RENEWALS (20)",
        )
        parser.add_argument(
            "--no-traces", action="store_true", help="xray_tracing is off"
        )
        shown_as = parser.add_mutually_exclusive_group()
        shown_as.add_argument(
            "--json", action="store_const", const="json", dest="shown_as"
        )
        shown_as.add_argument(
            "--html", action="store_const", const="html", dest="shown_as"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from capacity.items import (
            typical_item_sizes,  # the model is loaded with the apps
        )

        choice = Choice(
            front=options["front"],
            compute=options["compute"],
            is_provisioned=options["provisioned"],
            is_traced=not options["no_traces"],
            has_web_acl=options["web_acl"],
            renewals_a_line=options["renewals_a_line"],
        )
        if choice.compute == "fargate" and choice.front != "alb":
            raise CommandError(
                "--compute fargate is behind a load balancer: --front alb."
            )
        try:
            plan = CapacityEstimate(
                Demand(population_of(options), typical_item_sizes()),
                prices_of(options["region"]),
                choice,
            )
        except ValueError as exc:
            raise CommandError(str(exc)) from exc
        shown = {"json": plan.as_json, "html": plan.as_html}.get(
            options["shown_as"], plan.as_text
        )
        self.stdout.write(shown())
