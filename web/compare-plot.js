// compare-plot.js - lines over two axes as SVG, with their legend: for compare.js, before which it stands in the page.
"use strict";
// of: { add, draw } make elements; looks[row] { colour, dash }; rowName(row), cellName(cell); open(cell): a dot was clicked.
const comparePlots = ({ add, draw, looks, rowName, cellName, open }) => {
  const decades = (low, high) => {
    const out = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++)
      for (const m of [1, 2, 5]) out.push(m * 10 ** p);
    return out.filter((v) => v >= low * 0.999 && v <= high * 1.001);
  };
  const short = (v) => (v >= 1000 || (v < 0.001 && v > 0) ? v.toExponential(0) : String(+v.toPrecision(2)));
  function steps(low, high, count) {
    const raw = (high - low) / count, p = 10 ** Math.floor(Math.log10(raw)), s = [1, 2, 5, 10].find((m) => m * p >= raw) * p, out = [];
    for (let v = Math.ceil(low / s - 1e-9) * s; v <= high + 1e-9 * s; v += s) out.push(Math.abs(v) < 1e-9 * s ? 0 : v);
    return out;
  }

  // series: [{row, points: [[x, y, cell]]}]; axis: {log, low, high, name, ticks}
  function plot(box, series, x, y, options = {}) {
    box.textContent = "";
    const w = Math.max(box.clientWidth - 20, 260), h = Math.round(Math.min(Math.max(w * 0.5, 250), 430));
    const left = 58, right = 14, top = 14, bottom = 46;
    const svg = draw(box, "svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `${y.name} over ${x.name}` });
    const scale = (a, from, to) => {
      const f = a.log ? Math.log : (v) => v;
      return (v) => from + ((f(v) - f(a.low)) / (f(a.high) - f(a.low) || 1)) * (to - from);
    };
    const px = scale(x, left, w - right), py = scale(y, h - bottom, top);
    const ticks = (a, room) => {
      let t = a.log ? decades(a.low, a.high) : steps(a.low, a.high, 6);
      if (a.log && t.length > room) t = t.filter((v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9);
      return t;
    };
    for (const v of ticks(y, 12)) {
      draw(svg, "line", { class: !y.log && v === 0 ? "zero" : "grid", x1: left, x2: w - right, y1: py(v), y2: py(v) });
      draw(svg, "text", { x: left - 8, y: py(v) + 4, "text-anchor": "end" }, y.text ? y.text(v) : short(v));
    }
    for (const v of ticks(x, w / 60)) {
      draw(svg, "line", { class: "grid", x1: px(v), x2: px(v), y1: top, y2: h - bottom });
      draw(svg, "text", { x: px(v), y: h - bottom + 18, "text-anchor": "middle" }, short(v));
    }
    draw(svg, "text", { class: "name", x: (left + w - right) / 2, y: h - 8, "text-anchor": "middle" }, x.name);
    draw(svg, "text", { class: "name", transform: `translate(14 ${(top + h - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, y.name);
    if (options.target !== undefined && options.target > y.low && options.target < y.high) {
      draw(svg, "line", { class: "target", x1: left, x2: w - right, y1: py(options.target), y2: py(options.target) });
      draw(svg, "text", { x: w - right - 4, y: py(options.target) - 6, "text-anchor": "end" }, "target");
    }
    if (options.own > y.low && options.own < y.high) {
      draw(svg, "line", { class: "own", x1: left, x2: w - right, y1: py(options.own), y2: py(options.own) });
      draw(svg, "text", { x: left + 4, y: py(options.own) - 6 }, "the reference's own error");
    }
    for (const s of series) {
      const look = looks[s.row], g = draw(svg, "g", { "data-row": s.row });
      const path = s.points.map(([a, b], i) => `${i ? "L" : "M"}${px(a).toFixed(1)} ${py(b).toFixed(1)}`).join("");
      draw(g, "path", { class: "series", d: path, stroke: look.colour, "stroke-dasharray": look.dash });
      if (!options.dots) continue;
      for (const [a, b, cell, least, most] of s.points) {
        if (most > least) draw(g, "line", { class: "range", stroke: look.colour, x1: px(a), x2: px(a), y1: py(least), y2: py(most) });
        const dot = draw(g, "circle", { class: `dot${cell.default ? " default" : ""}`, cx: px(a), cy: py(b), r: 5, fill: look.colour });
        draw(dot, "title", {}, `${cellName(cell)}: ${y.name} ${short(b)}, ${x.name} ${short(a)}`);
        dot.addEventListener("click", () => open(cell));
      }
    }
  }

  function legend(box, plotBox, rows) {
    box.textContent = "";
    for (const r of rows) {
      const item = add(box, "span"), svg = draw(item, "svg", { viewBox: "0 0 26 10", "aria-hidden": "true" });
      draw(svg, "path", { d: "M1 5H25", stroke: looks[r].colour, "stroke-width": 2.5, "stroke-dasharray": looks[r].dash, "stroke-linecap": "round" });
      item.append(rowName(r) || "picture");
      const dim = (on) => plotBox.querySelectorAll("g[data-row]").forEach((g) => g.classList.toggle("dim", on && g.dataset.row !== String(r)));
      item.addEventListener("pointerenter", () => dim(true));
      item.addEventListener("pointerleave", () => dim(false));
    }
  }

  return { plot, legend };
};
