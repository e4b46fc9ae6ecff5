// Draws each chart with uPlot from the JSON next to it, and fills its table when someone opens it.
"use strict";

const HEIGHT = 220;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5]];
// uPlot's formats of a time axis: minimum step, format, and what is added where a year or a day starts.
const TIMES = [
  [86400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", null, null, "\n{D} {MMM}", null, null, null, 1],
];
const drawn = new Map(); // element -> uPlot

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function figure(value) {
  if (value === null || value === undefined) return "–";
  const decimals = value ? Math.min(20, Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))) : 2;
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

const tickText = (tick) => tick.toLocaleString("en", { maximumSignificantDigits: 6 });

function when(seconds, step) {
  const day = { year: "numeric", month: "short", day: "numeric" };
  const options = step === "day" ? { ...day, timeZone: "UTC" } : { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  return new Date(seconds * 1000).toLocaleString("en-GB", options);
}

// uPlot's series for each kind of chart.

function band(chart) {
  const [p50, p95] = [css("--line-1"), css("--band-edge")];
  return {
    series: [
      { label: "p50", stroke: p50, width: 2, points: { size: 5 } },
      { label: "p95", stroke: p95, width: 1, points: { size: 4 } },
    ],
    bands: [{ series: [2, 1], fill: css("--band") }],
  };
}

function lines(chart) {
  return {
    series: chart.lines.map((line, index) => ({
      label: line.label,
      stroke: css(`--line-${index + 1}`),
      width: 2,
      dash: DASHES[index],
      points: { size: 5 },
    })),
  };
}

function bars(chart) {
  return {
    series: [{
      label: "Share",
      stroke: css("--line-1"),
      fill: css("--bar"),
      width: 0,
      paths: uPlot.paths.bars({ size: [0.85, 60] }),
      points: { show: false },
    }],
  };
}

const KINDS = { band, lines, bars };

function options(chart, width) {
  const axis = {
    stroke: css("--muted"),
    font: `12px ${css("--font")}`,
    grid: { stroke: css("--grid"), width: 1 },
    ticks: { show: false },
  };
  const time = chart.kind !== "bars";
  const kind = KINDS[chart.kind](chart);
  for (const series of kind.series) series.value = (_, value) => (time ? figure(value) : value === null ? "–" : `${figure(value)} %`);
  const label = { label: "", value: (_, x) => (x === null ? "–" : time ? when(x, chart.step) : figure(x)) };
  return {
    width,
    height: HEIGHT,
    tzDate: chart.step === "day" ? (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : undefined,
    scales: { x: { time, range: time ? spread(chart) : sides(chart) }, y: { range: (_, low, high) => roomy(chart, low, high) } },
    axes: [time ? { ...axis, size: hasHours(chart) ? 46 : 30, values: TIMES } : { ...axis, size: 30, values: (_, ticks) => ticks.map(tickText) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (time ? tickText(tick) : `${tickText(tick)} %`)) }],
    series: [label, ...kind.series],
    bands: kind.bands,
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { draw: [placeMarks] },
    legend: { live: true, markers: { width: 3 } },
  };
}

// Whether the axis has a second line, with the day.
function hasHours(chart) {
  return chart.step === "run" || (chart.step === "hour" && chart.x.at(-1) - chart.x[0] <= 48 * 3600);
}

// Leaves room for half a bar on either side.
function sides(chart) {
  return () => [Math.max(0, chart.x[0] - chart.width), chart.x.at(-1) + chart.width];
}

// Reaches to the last mark, and centers a single bucket.
function spread(chart) {
  const [first, last] = [chart.x[0], Math.max(chart.x.at(-1), ...chart.marks)];
  const rest = chart.step === "day" ? 86400 : chart.step === "hour" ? 3600 : 300;
  return () => (first === last ? [first - rest, last + rest] : [first, last]);
}

// Bands and bars start at zero, so that heights can be compared; the lines of a comparison fill the chart.
function roomy(chart, low, high) {
  if (low === null) return [0, 1];
  const margin = (high - low) * 0.15 || Math.abs(high) * 0.1 || 1;
  return chart.kind === "lines" ? [Math.max(0, low - margin), high + margin] : [0, high * 1.08 || 1];
}

// Gives all lines the moments of all; null breaks a line, undefined does not.
function align(chart) {
  const data = uPlot.join(chart.lines.map((line) => [line.x, line.values]));
  chart.x = data[0];
  chart.lines.forEach((line, index) => (line.values = data[index + 1]));
  return data;
}

function draw() {
  for (const [element, plot] of drawn) {
    if (!element.isConnected) {
      plot.destroy();
      drawn.delete(element);
    }
  }
  for (const element of document.querySelectorAll(".plot")) {
    if (drawn.has(element)) continue;
    const chart = JSON.parse(element.parentElement.querySelector(".data").textContent);
    chart.marks = [...(marksOf(element)?.children ?? [])].map((mark) => Number(mark.dataset.at));
    const data = align(chart);
    drawn.set(element, new uPlot(options(chart, element.clientWidth), data, element));
    resized.observe(element);
    const details = element.parentElement.querySelector("details");
    details.addEventListener("toggle", () => fill(details, chart), { once: true });
    if (details.open) fill(details, chart);
  }
}

// Marks are links, which a canvas cannot hold: they are placed over it.

const marksOf = (element) => element.parentElement.querySelector(".marks");

function placeMarks(plot) {
  const marks = marksOf(plot.root.parentElement);
  if (!marks) return;
  marks.classList.add("placed");
  const [figure, area] = [marks.parentElement.getBoundingClientRect(), plot.over.getBoundingClientRect()];
  for (const mark of marks.children) {
    const left = plot.valToPos(Number(mark.dataset.at), "x");
    mark.hidden = left < 0 || left > area.width;
    mark.style.left = `${area.left - figure.left + left}px`;
    mark.style.top = `${area.top - figure.top}px`;
    mark.style.height = `${area.height}px`;
  }
}

const resized = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) drawn.get(target)?.setSize({ width: contentRect.width, height: HEIGHT });
});

// The table of a chart's values, newest first.

function fill(details, chart) {
  if (details.querySelector("table")) return;
  const time = chart.kind !== "bars";
  const table = document.createElement("table");
  table.className = "list";
  const head = table.createTHead().insertRow();
  head.append(cell("th", time ? { run: "Run", hour: "Hour", day: "Day (UTC)" }[chart.step] : "Bin center", { scope: "col" }));
  for (const line of chart.lines) {
    head.append(cell("th", chart.kind === "band" ? line.field : line.label, { scope: "col", className: "number" }));
  }
  const body = table.createTBody();
  const order = [...chart.x.keys()];
  for (const index of time ? order.reverse() : order) {
    const row = body.insertRow();
    row.append(cell("th", time ? when(chart.x[index], chart.step) : figure(chart.x[index]), { scope: "row" }));
    for (const line of chart.lines) row.append(cell("td", figure(line.values[index]) + (time ? "" : " %"), { className: "number" }));
  }
  const frame = document.createElement("div");
  frame.className = "scroll";
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Chart data");
  frame.append(table);
  details.append(frame);
}

function cell(kind, text, attributes) {
  const element = Object.assign(document.createElement(kind), attributes);
  element.textContent = text;
  return element;
}

function redraw() {
  for (const [element, plot] of drawn) {
    plot.destroy();
    drawn.delete(element);
  }
  draw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
document.addEventListener("charts-changed", draw);
draw();
