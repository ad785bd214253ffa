"use strict";
// Line charts as inline SVG: axes, hover read-outs, redrawn when the page changes its width.

const SVG = "http://www.w3.org/2000/svg";

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function drawn(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function short(value, digits = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e").replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

function roundTicks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9) || 0; i * step <= high + step * 1e-9; ++i) ticks.push(i * step);
  return ticks;
}

// Ends of the axis: all of the calm curves, and of the noisy ones all but the extreme hundredth.
function rangeOf(spec) {
  let values = [];
  for (const curve of spec.curves) {
    const sorted = curve.points.map(point => point[1]).sort((a, b) => a - b);
    if (!sorted.length) continue;
    const cut = curve.isNoisy && sorted.length > 50 ? Math.floor(sorted.length / 100) : 0;
    values.push(sorted[cut], sorted[sorted.length - 1 - cut]);
  }
  let low = Math.min(...values), high = Math.max(...values);
  if (spec.limit !== undefined && spec.limit > low && spec.limit < high * 1.5) high = Math.max(high, spec.limit);
  if (spec.fromZero) low = 0;
  if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
  const margin = (high - low) * 0.06;
  return [spec.fromZero ? 0 : Math.max(low - margin, low >= 0 ? 0 : -Infinity), high + margin];
}

function nearest(points, step) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < step) low = middle; else high = middle;
  }
  return Math.abs(points[low][0] - step) <= Math.abs(points[high][0] - step) ? points[low] : points[high];
}

// spec: curves [{name, points [[step, value]], style, isNoisy}], height, limit {a line at this value} and limitName, marks [step],
// markName, fromZero, hasLegend.
function lineChart(title, spec) {
  const plot = element("div", {class: "plot"});
  const host = element("div", {}, ...(title ? [element("h3", {}, title)] : []), plot);
  spec.curves = spec.curves.filter(curve => curve.points.length);
  if (!spec.curves.length) { host.append(element("p", {class: "note"}, "nothing recorded yet")); return host; }
  if (spec.hasLegend) host.append(legendOf(spec));
  let width = 0;
  new ResizeObserver(() => {
    if (plot.clientWidth === width || plot.clientWidth === 0) return;
    width = plot.clientWidth;
    drawChart(plot, spec, width);
  }).observe(plot);
  return host;
}

function legendOf(spec) {
  const legend = element("div", {class: "legend"});
  const entry = (style, name) => {
    const key = drawn("svg", {viewBox: "0 0 18 8"});
    key.append(drawn("path", {d: "M1 4H17", class: style, fill: "none"}));
    legend.append(element("span", {}, key, name));
  };
  for (const curve of spec.curves) entry("curve-" + curve.style, curve.name);
  if (spec.marks && spec.marks.length) entry("skipped", spec.markName);
  return legend;
}

function drawChart(plot, spec, width) {
  const height = spec.height, box = {left: 52, right: width - 10, top: 10, bottom: height - 24};
  const [low, high] = rangeOf(spec);
  const steps = spec.curves.flatMap(curve => [curve.points[0][0], curve.points[curve.points.length - 1][0]]);
  let first = Math.min(...steps), last = Math.max(...steps);
  if (first <= 1) first = 0;
  if (first === last) last = first + 1;
  const x = step => box.left + (step - first) / (last - first) * (box.right - box.left);
  const y = value => box.bottom - (Math.min(Math.max(value, low), high) - low) / (high - low) * (box.bottom - box.top);

  const svg = drawn("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img"});
  for (const tick of roundTicks(low, high, height > 180 ? 5 : 3)) {
    svg.append(drawn("line", {class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick)}));
    svg.append(drawn("text", {x: box.left - 8, y: y(tick) + 4, "text-anchor": "end"}, short(tick)));
  }
  for (const tick of roundTicks(first, last, Math.max(2, Math.floor(width / 110))).filter(Number.isInteger))
    svg.append(drawn("text", {x: x(tick), y: height - 6, "text-anchor": x(tick) > box.right - 12 ? "end" : "middle"}, tick.toLocaleString("en")));
  svg.append(drawn("line", {class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom}));

  for (const curve of spec.curves) {
    const path = curve.points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    svg.append(drawn("path", {class: "curve-" + curve.style, d: path}));
    if (curve.points.length <= 30 && !curve.isNoisy)
      for (const [step, value] of curve.points) svg.append(drawn("circle", {class: "dot-" + curve.style, cx: x(step), cy: y(value), r: 2.5}));
  }
  if (spec.limit !== undefined && spec.limit >= low && spec.limit <= high) {
    svg.append(drawn("line", {class: "limit", x1: box.left, x2: box.right, y1: y(spec.limit), y2: y(spec.limit)}));
    svg.append(drawn("text", {class: "limit-label", x: box.right, y: y(spec.limit) - 5, "text-anchor": "end"}, spec.limitName));
  }
  for (const step of spec.marks || [])
    svg.append(drawn("line", {class: "skipped", x1: x(step), x2: x(step), y1: box.bottom - 7, y2: box.bottom}));
  plot.replaceChildren(svg);
  addReadout(plot, svg, spec, {box, x, y, first, last});
}

function addReadout(plot, svg, spec, {box, x, y, first, last}) {
  const cursor = drawn("g", {visibility: "hidden"}), readout = element("div", {class: "readout", hidden: ""});
  svg.append(cursor);
  plot.append(readout);
  const hide = () => { cursor.setAttribute("visibility", "hidden"); readout.hidden = true; };
  const show = event => {
    const at = event.clientX - svg.getBoundingClientRect().left;
    const step = first + (at - box.left) / (box.right - box.left) * (last - first);
    const step0 = nearest(spec.curves[0].points, step)[0];
    cursor.replaceChildren(drawn("line", {class: "cursor", x1: x(step0), x2: x(step0), y1: box.top, y2: box.bottom}));
    readout.replaceChildren(element("div", {}, element("b", {}, "step " + step0.toLocaleString("en"))));
    for (const curve of spec.curves) {
      const [near, value] = nearest(curve.points, step0);
      cursor.append(drawn("circle", {class: "dot-" + curve.style, cx: x(near), cy: y(value), r: 3.5}));
      readout.append(element("div", {}, `${curve.name} `, element("b", {}, short(value, 4))));
    }
    if ((spec.marks || []).includes(step0)) readout.append(element("div", {}, spec.markName));
    cursor.setAttribute("visibility", "visible");
    readout.hidden = false;
    const room = svg.clientWidth - readout.offsetWidth;
    readout.style.left = Math.max(0, Math.min(room, x(step0) + (x(step0) > room - 14 ? -readout.offsetWidth - 12 : 12))) + "px";
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", hide);
}
