"""The figures as plots, in `docs/performance/`."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from bench.engines import PROJECT
from bench.peers import MODULES, NAMES
from bench.scene import VERBS
from bench.workers import Figures

FOLDER = PROJECT / "docs" / "performance"


def draw(figures: Figures) -> None:
    """All of them."""
    for plot in (_warm, _cold, _growth, _contention, _load):
        plot(figures).savefig(
            FOLDER / f"{plot.__name__.removeprefix('_')}.png", dpi=100
        )


def _grid(
    rows: int, columns: int, *, width: float = 5.5, height: float = 3.6
) -> tuple[Figure, Any]:
    drawing = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return drawing, drawing.subplots(rows, columns, squeeze=False)


def _warm(figures: Figures) -> Figure:
    """Ratios of each verb, with quartiles; a row of plots for each engine."""
    drawing, axes = _grid(len(figures["warm"]), 2)
    for row, (engine, verbs) in zip(axes, figures["warm"].items(), strict=True):
        for axis, name, title in zip(
            row, ("cpu_us", "wall_us"), ("Processor", "Wall"), strict=True
        ):
            for index, peer in enumerate(NAMES):
                found = [verbs[verb][peer] for verb in VERBS]
                _bars(
                    axis,
                    [place + index * 0.13 for place in range(len(VERBS))],
                    found,
                    name,
                    label=NAMES[peer],
                )
            axis.set_xticks([place + 0.32 for place in range(len(VERBS))], list(VERBS))
            axis.set_title(f"{title} time, warm, {engine} (bare = 1)")
    axes[0][1].legend(fontsize="x-small", bbox_to_anchor=(1, 1), loc="upper left")
    return drawing


def _bars(
    axis: Any, places: list[float], found: list[Figures], name: str, **options: Any
) -> None:
    ratios = [one[f"{name}_ratio"] for one in found]
    spread = [[one[f"{name}_ratio"] - one[f"{name}_spread"][0] for one in found]]
    spread += [[one[f"{name}_spread"][1] - one[f"{name}_ratio"] for one in found]]
    axis.bar(
        places,
        ratios,
        0.12,
        yerr=spread,
        capsize=2,
        error_kw={"linewidth": 0.8},
        **options,
    )
    axis.axhline(1, color="black", linewidth=0.8)


def _line(axis: Any, points: Mapping[str, float], label: str) -> None:
    axis.plot(
        [int(point) for point in points], list(points.values()), "o-", label=label
    )


def _cold(figures: Figures) -> Figure:
    """Ratios of cold start, the first request after a resume and memory, with quartiles, and the zips."""
    drawing, axes = _grid(1, 5, width=4.4)
    ratios = (
        ("cold", "wall_ms", "Cold start (bare boto3 = 1)"),
        ("cold_tls", "wall_ms", "Cold start with TLS (bare boto3 = 1)"),
        ("cold", "memory_mib", "Peak memory (bare boto3 = 1)"),
        ("resumed", "cpu_ms", "First after a resume, processor (own warm = 1)"),
    )
    for index, peer in enumerate(MODULES):
        for axis, (figure, name, title) in zip(axes[0], ratios, strict=False):
            _bars(axis, [index * 0.2], [figures[figure][peer]], name)
            axis.set_title(title, fontsize="medium")
        axes[0][-1].bar(index * 0.2, figures["zip_mib"][peer], 0.12)
    axes[0][-1].set_title("Package, MiB zipped", fontsize="medium")
    for axis in axes[0]:
        axis.set_xticks(
            [index * 0.2 for index in range(len(MODULES))],
            [NAMES[peer] for peer in MODULES],
            rotation=20,
            fontsize=8,
        )
    return drawing


def _growth(figures: Figures) -> Figure:
    """Wall time of each verb along each axis."""
    drawing, axes = _grid(1, len(figures["growth"]))
    for axis, (name, verbs) in zip(axes[0], figures["growth"].items(), strict=True):
        for verb, points in verbs.items():
            _line(
                axis,
                {point: found["wall_us"] / 1000 for point, found in points.items()},
                verb,
            )
        if name != "slots held":
            axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel(name)
        axis.set_ylabel("ms")
        axis.set_title(f"Wall time of a call against {name}")
    axes[0][0].legend()
    return drawing


def _contention(figures: Figures) -> Figure:
    """Calls and latency against callers."""
    drawing, axes = _grid(1, 2)
    for axis, name, title in zip(
        axes[0],
        ("calls_a_request", "median_ms"),
        ("DynamoDB calls a request", "Median latency, ms"),
        strict=True,
    ):
        for verb, counts in figures["contention"].items():
            _line(
                axis, {callers: found[name] for callers, found in counts.items()}, verb
            )
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("callers at the same instant on one user")
        axis.set_title(title)
    axes[0][0].legend()
    return drawing


def _load(figures: Figures) -> Figure:
    """Latency against the offered rate, and the engine's ceiling."""
    found = figures["load"]
    drawing, axes = _grid(1, 1, width=9, height=4)
    axis, rates = axes[0][0], [step["offered"] for step in found["steps"]]
    for percent in found["steps"][0]["latency_ms"]:
        axis.plot(
            rates,
            [step["latency_ms"][percent] for step in found["steps"]],
            "o-",
            label=f"p{percent}",
        )
    axis.axvline(
        found["ceiling"], color="black", linestyle="--", label="engine's ceiling"
    )
    axis.set_yscale("log")
    axis.set_xlabel("requests offered a second")
    axis.set_ylabel("ms from the request's tick to its answer")
    axis.set_title("Latency under an open loop")
    axis.legend()
    return drawing
