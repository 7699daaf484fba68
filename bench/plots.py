"""Draws the figures as plots, into `docs/performance/`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from bench.engines import PROJECT
from bench.growth import SLOTS_AXIS
from bench.peers import MODULES, NAMES
from bench.scene import VERBS
from bench.workers import Figures

FOLDER = PROJECT / "docs" / "performance"
DPI = 100
BAR_WIDTH = 0.12
BAR_STEP = 0.11
PEER_STEP = 0.2
GROUP_CENTRE = 0.38
"""Middle of the bars of a verb, from the first one."""

TIMES = {"cpu_us": "Processor", "wall_us": "Wall"}
COLD_RATIOS = (
    ("cold", "wall_ms", "Cold start (bare boto3 = 1)"),
    ("cold_tls", "wall_ms", "Cold start with TLS (bare boto3 = 1)"),
    ("cold", "memory_mib", "Peak memory (bare boto3 = 1)"),
    ("resumed", "cpu_ms", "First after a resume, processor (own warm = 1)"),
)
CONTENTION_FIGURES = {
    "calls_a_request": "DynamoDB calls per request",
    "median_ms": "Median latency, ms",
}


def draw(figures: Figures) -> None:
    """Draw every plot and save it."""
    plots = {
        "warm": _warm,
        "cold": _cold,
        "growth": _growth,
        "contention": _contention,
        "load": _load,
    }
    for name, plot in plots.items():
        plot(figures).savefig(FOLDER / f"{name}.png", dpi=DPI)


def _grid(
    rows: int,
    columns: int,
    *,
    width: float = 5.5,
    height: float = 3.6,
) -> tuple[Figure, Any]:
    """Return a drawing and its axes. Sizes are inches per plot."""
    size = (width * columns, height * rows)
    drawing = Figure(figsize=size, layout="constrained")
    return drawing, drawing.subplots(rows, columns, squeeze=False)


def _warm(figures: Figures) -> Figure:
    """Draw the ratios of each verb with quartiles, one row per engine."""
    drawing, axes = _grid(len(figures["warm"]), len(TIMES))
    engines = figures["warm"].items()
    for row, (engine, verbs) in zip(axes, engines, strict=True):
        for axis, (name, title) in zip(row, TIMES.items(), strict=True):
            _warm_bars(axis, verbs, name)
            axis.set_title(f"{title} time, warm, {engine} (bare = 1)")

    axes[0][1].legend(fontsize="x-small", bbox_to_anchor=(1, 1), loc="upper left")
    return drawing


def _warm_bars(axis: Any, verbs: Figures, name: str) -> None:
    """Draw a group of bars for each verb, one bar per peer."""
    measured = [peer for peer in NAMES if peer in verbs["start"]]
    for index, peer in enumerate(measured):
        places = [place + index * BAR_STEP for place in range(len(VERBS))]
        peer_figures = [verbs[verb][peer] for verb in VERBS]
        _bars(axis, places, peer_figures, name, label=NAMES[peer])

    centres = [place + GROUP_CENTRE for place in range(len(VERBS))]
    axis.set_xticks(centres, list(VERBS))


def _bars(
    axis: Any,
    places: Sequence[float],
    bars: Sequence[Figures],
    name: str,
    **options: Any,
) -> None:
    """Draw a bar per ratio, with its quartiles, and a line at 1."""
    ratios = [bar[f"{name}_ratio"] for bar in bars]
    below, above = [], []
    for bar, ratio in zip(bars, ratios, strict=True):
        low, high = bar[f"{name}_spread"]
        below.append(ratio - low)
        above.append(high - ratio)

    axis.bar(
        places,
        ratios,
        BAR_WIDTH,
        yerr=[below, above],
        capsize=2,
        error_kw={"linewidth": 0.8},
        **options,
    )
    axis.axhline(1, color="black", linewidth=0.8)


def _line(axis: Any, points: Mapping[str, float], label: str) -> None:
    """Draw a line through points whose keys are numbers."""
    places = [int(point) for point in points]
    axis.plot(places, list(points.values()), "o-", label=label)


def _cold(figures: Figures) -> Figure:
    """Draw cold starts, memory and resumes as ratios, and package sizes."""
    drawing, axes = _grid(1, len(COLD_RATIOS) + 1, width=4.4)
    [*ratio_axes, size_axis] = axes[0]
    places = [index * PEER_STEP for index in range(len(MODULES))]

    for axis, (kind, name, title) in zip(ratio_axes, COLD_RATIOS, strict=True):
        for place, peer in zip(places, MODULES, strict=True):
            _bars(axis, [place], [figures[kind][peer]], name)
        axis.set_title(title, fontsize="medium")

    for place, peer in zip(places, MODULES, strict=True):
        size_axis.bar(place, figures["zip_mib"][peer], BAR_WIDTH)
    size_axis.set_title("Package, MiB zipped", fontsize="medium")

    labels = [NAMES[peer] for peer in MODULES]
    for axis in axes[0]:
        axis.set_xticks(places, labels, rotation=20, fontsize=8)
    return drawing


def _growth(figures: Figures) -> Figure:
    """Draw the wall time of each verb along each axis."""
    drawing, axes = _grid(1, len(figures["growth"]))
    growth = figures["growth"].items()
    for axis, (name, verbs) in zip(axes[0], growth, strict=True):
        for verb, points in verbs.items():
            _line(axis, _wall_milliseconds(points), verb)

        if name != SLOTS_AXIS:
            axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel(name)
        axis.set_ylabel("ms")
        axis.set_title(f"Wall time of a call against {name}")

    axes[0][0].legend()
    return drawing


def _wall_milliseconds(points: Figures) -> dict[str, float]:
    return {point: figures["wall_us"] / 1000 for point, figures in points.items()}


def _contention(figures: Figures) -> Figure:
    """Draw calls and latency against the number of callers."""
    drawing, axes = _grid(1, len(CONTENTION_FIGURES))
    titles = CONTENTION_FIGURES.items()
    for axis, (name, title) in zip(axes[0], titles, strict=True):
        for verb, by_callers in figures["contention"].items():
            points = {callers: run[name] for callers, run in by_callers.items()}
            _line(axis, points, verb)

        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("callers at the same instant on one user")
        axis.set_title(title)

    axes[0][0].legend()
    return drawing


def _load(figures: Figures) -> Figure:
    """Draw latency against the offered rate, and the engine's ceiling."""
    load = figures["load"]
    steps: Iterable[Figures] = load["steps"]
    drawing, axes = _grid(1, 1, width=9, height=4)
    axis = axes[0][0]

    rates = [step["offered"] for step in steps]
    for percent in load["steps"][0]["latency_ms"]:
        latencies = [step["latency_ms"][percent] for step in steps]
        axis.plot(rates, latencies, "o-", label=f"p{percent}")
    axis.axvline(
        load["ceiling"],
        color="black",
        linestyle="--",
        label="engine's ceiling",
    )

    axis.set_yscale("log")
    axis.set_xlabel("requests offered per second")
    axis.set_ylabel("ms from the request's tick to its answer")
    axis.set_title("Latency under an open loop")
    axis.legend()
    return drawing
