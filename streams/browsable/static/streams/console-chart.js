/** The chart of the slots in use over the last minutes, by uPlot. */

import { $ } from "./elements.js";

const SHOWN_SECONDS = 300;
const HEIGHT = 120;

const times = [];
const used = [];
const limits = [];
let chart = null;

/** Add the use of the slots at this moment. */
export function addPoint({ active, limit }) {
  times.push(Date.now() / 1000);
  used.push(active);
  limits.push(limit);
  while (times[1] < times.at(-1) - SHOWN_SECONDS) {
    for (const series of [times, used, limits]) series.shift();
  }
  draw();
}

export function clear() {
  for (const series of [times, used, limits]) series.length = 0;
  draw();
}

function draw() {
  chart ??= create();
  chart.setData([times, used, limits]);
}

function create() {
  const steps = uPlot.paths.stepped({ align: 1 });
  const grid = { stroke: () => colour("--line"), width: 1 };
  const axis = { stroke: () => colour("--quiet"), grid, ticks: grid };
  const options = {
    width: $("chart").clientWidth,
    height: HEIGHT,
    cursor: { show: false },
    scales: { y: { range: (_, __, highest) => [0, Math.max(1, highest ?? 1)] } },
    axes: [axis, { ...axis, size: 36, incrs: [1, 2, 5, 10, 25] }],
    series: [
      { label: "time" },
      { label: "in use", stroke: () => colour("--accent"), width: 2, paths: steps },
      {
        label: "limit",
        stroke: () => colour("--bad"),
        dash: [4, 4],
        width: 2,
        paths: steps,
      },
    ],
  };

  const made = new uPlot(options, [times, used, limits], $("chart"));
  const resize = () =>
    made.setSize({ width: $("chart").clientWidth, height: HEIGHT });
  new ResizeObserver(resize).observe($("chart"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    made.redraw(),
  );
  return made;
}

/** The colour of a CSS variable in the current scheme, for a canvas. */
function colour(name) {
  const probe = $("chart-title");
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.style.color = "";
  return color;
}
