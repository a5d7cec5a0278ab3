// compare.js - what the report of limn compare shows, out of the data that stands in it. No library, nothing fetched. Behind its parts,
// compare-plot.js and compare-large.js.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const pictures = data.pictures;
  const $ = (id) => document.getElementById(id);
  const files = data.measured_against === "picture";

  // ---- small things ----

  function add(parent, tag, attributes = {}, text) {
    const e = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    parent.append(e);
    return e;
  }

  function draw(parent, tag, attributes = {}, text) {
    const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (text !== undefined) e.textContent = text;
    parent.append(e);
    return e;
  }

  function choices(select, items, changed) {
    for (const [value, text] of items) add(select, "option", { value }, text);
    select.addEventListener("change", changed);
  }

  const rowName = (i) => data.rows[i].label.replaceAll("\n", ", ");
  const cellName = (c) => {
    if (files) return c.path;
    const words = [rowName(c.row), data.columns[c.column].label];
    if (data.by === "evaluations" && c.steps) words.push(`${c.steps} steps`);
    if (c.prompt && data.prompts > 1) words.push(c.prompt);
    words.push(`seed ${c.seed}`);
    if (c.default) words.push("the model's default");
    return words.filter(Boolean).join(", ");
  };
  const referenceOf = (c) => (c.reference === null || c.reference === undefined ? null : data.references[c.reference]);
  const referenceName = (r) => (r.label === "converged" ? `converged, ${r.steps} steps` : r.label.replaceAll("\n", ", "));
  const psnrText = (c) => (c.identical ? "same pixels" : c.psnr === null ? "" : `${c.psnr.toFixed(1)} dB`);
  const number = (v, digits) => (v === null || v === undefined ? "" : v.toFixed(digits));

  // Each row has a colour of its sampler and a dash of its schedule.
  const dashes = ["", "7 4", "2 4", "9 3 2 3", "12 5", "4 2"];
  const looks = (() => {
    const first = [], second = [];
    return data.rows.map((r) => {
      const [a, b = ""] = r.label.split("\n");
      if (!first.includes(a)) first.push(a);
      if (!second.includes(b)) second.push(b);
      return { colour: `var(--s${first.indexOf(a) % 8})`, dash: dashes[second.indexOf(b) % dashes.length] };
    });
  })();

  // ---- head and findings ----

  function head() {
    const o = data.options || {};
    $("title").textContent = o.prompt || (data.prompts > 1 ? `${data.prompts} prompts` : "") || (files ? "Pictures compared" : "limn compare");
    const words = [];
    if (data.model) words.push(data.model.name);
    if (o.width) words.push(`${o.width}\u00d7${o.height}`);
    if (o.cfg_scale !== undefined && o.cfg_scale !== null) words.push(`guidance ${o.cfg_scale}`);
    words.push(`${data.cells.length} ${files ? "pictures" : "cells"}`);
    document.title = `${$("title").textContent} - limn compare`;
    $("subtitle").textContent = words.join(" \u00b7 ");
    for (const s of data.conclusions || []) {
      const key = s.verdict, wide = key || /^(Measured|Samplers|Failed|Not)/.test(s.title);
      const card = add($("sections"), "div", { class: `card${key ? " key" : ""}${wide ? " wide" : ""}` });
      const cut = s.title.indexOf(" (");
      add(card, "h3", {}, cut > 0 ? s.title.slice(0, cut) : s.title);
      if (cut > 0) add(card, "p", { class: "quiet", style: "margin:0 0 8px" }, s.title.slice(cut + 2, -1));
      const list = add(card, "ul");
      for (const line of s.lines) {
        const item = add(list, "li"), colon = line.indexOf(": ");
        if (colon > 0 && !key) { add(item, "b", {}, line.slice(0, colon + 1)); item.append(line.slice(colon + 1)); }
        else item.textContent = line;
      }
    }
    $("findings").hidden = !(data.conclusions || []).length;
    $("command").textContent = data.command;
    $("copy").addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(data.command); $("copy").textContent = "Copied"; }
      catch { getSelection().selectAllChildren($("command")); }
    });
    const facts = [["limn", data.limn]];
    if (data.model) facts.push(["Model", `${data.model.name}, SHA-256 ${data.model.sha256}`]);
    for (const [k, v] of Object.entries(o)) if (v !== null && v !== "" && v !== "false") facts.push([k.replaceAll("_", " "), String(v)]);
    for (const [k, v] of facts) { add($("facts"), "dt", {}, k); add($("facts"), "dd", {}, v); }
  }

  // ---- the sheet ----

  const captions = {
    flip_worst: ["FLIP where it is largest", (c) => (c.flip_worst === null ? "" : `FLIP ${c.flip_worst.toFixed(3)}`)],
    psnr: ["PSNR", psnrText],
    latent_rmse: ["latent RMSE", (c) => number(c.latent_rmse, 4)],
    ssim: ["SSIM", (c) => number(c.ssim, 4)],
    flip: ["FLIP", (c) => number(c.flip, 4)],
    spectrum: ["spectrum", (c) => (c.spectrum === null ? "" : `${c.spectrum.toFixed(1)} dB`)],
    evaluations: ["evaluations", (c) => (c.evaluations ? `${c.evaluations} ev` : "")],
    seconds: ["seconds", (c) => (c.seconds ? `${c.seconds.toFixed(2)} s` : "")],
  };

  function size() {
    const first = Object.values(pictures)[0];
    return new Promise((done) => {
      if (!first) return done([112, 112]);
      const im = new Image();
      im.onload = () => done([im.naturalWidth, im.naturalHeight]);
      im.onerror = () => done([112, 112]);
      im.src = first;
    });
  }

  function captionOf(c) {
    const which = $("caption").value;
    if (c.standard) return "reference";
    const text = captions[which][1](c);
    const more = which !== "evaluations" && c.evaluations ? `${c.evaluations} ev` : "";
    return [c.default ? "default" : "", text || (c.deterministic === false ? "fresh noise" : ""), more].filter(Boolean).join(" \u00b7 ");
  }

  function gone(td, text, alarm, [w, h]) {
    const box = add(td, "div", { class: `gone${alarm ? " bad" : ""}` }, text);
    box.style.width = `min(${Math.max(w, 112)}px, 42vw)`;
    box.style.minHeight = `${Math.min(h, 256)}px`;
  }

  function picture(td, file, label, open) {
    const b = add(td, "button", { type: "button", "aria-label": label });
    add(b, "img", { src: pictures[file], alt: label, loading: "lazy" });
    b.addEventListener("click", open);
  }

  function sheet(dimensions) {
    const table = $("sheet"), showReference = data.measured_against === "converged" && data.references.length > 0;
    const headRow = add(add(table, "thead"), "tr"), body = add(table, "tbody");
    const labelled = data.rows.some((r) => r.label) || data.cells.some((c) => c.row !== 0 || c.number);
    if (labelled) add(headRow, "th", {}, data.corner);
    for (const c of data.columns) add(headRow, "th", { scope: "col" }, files ? c.label.split("/").pop() : c.label);
    if (showReference) add(headRow, "th", { scope: "col" }, "converged");
    data.rows.forEach((row, r) => {
      const own = data.cells.filter((c) => c.row === r), numbers = [...new Set(own.map((c) => c.number ?? 0))];
      const seeds = new Set(own.map((c) => c.seed));
      for (const n of numbers) {
        const cells = own.filter((c) => (c.number ?? 0) === n), { seed, prompt } = cells[0];
        const tr = add(body, "tr");
        if (labelled) {
          const th = add(tr, "th", { scope: "row" }), [first, ...rest] = row.label.split("\n");
          th.append(first);
          for (const line of rest) add(th, "span", {}, line);
          if (prompt && data.prompts > 1) add(th, "span", { class: "prompt" }, prompt);
          if (seeds.size > 1) add(th, "span", {}, `seed ${seed}`);
        }
        data.columns.forEach((_, k) => {
          const td = add(tr, "td"), c = cells.find((x) => x.column === k);
          if (!c) return;
          if (c.best || c.standard) td.classList.add("mark");
          if (c.file && pictures[c.file]) picture(td, c.file, cellName(c), () => large.open(data.cells.indexOf(c)));
          else gone(td, c.error || "no picture", true, dimensions);
          add(td, "small", { "data-cell": data.cells.indexOf(c) }, captionOf(c));
        });
        if (showReference) {
          const td = add(tr, "td"), with_ = cells.find((c) => referenceOf(c)), f = with_ && referenceOf(with_);
          if (f && f.file) picture(td, f.file, referenceName(f), () => large.open(data.cells.indexOf(with_)));
          else gone(td, f ? f.error : row.deterministic ? (cells[0] && cells[0].note) || "no reference" : "draws fresh noise: it converges to no picture", !!f, dimensions);
          if (f && f.file) add(td, "small", {}, `${f.steps} steps`);
        }
      }
    });
  }

  // ---- plots ----

  const large = compareLarge({ data, pictures, files, $, add, cellName, referenceOf, referenceName, psnrText, number });
  const { plot, legend } = comparePlots({ add, draw, looks, rowName, cellName, open: (cell) => large.open(data.cells.indexOf(cell)) });

  const errors = {
    flip_worst: { name: "FLIP where it is largest", of: (c) => c.flip_worst },
    latent_rmse: { name: "latent RMSE", of: (c) => c.latent_rmse },
    flip: { name: "FLIP", of: (c) => c.flip },
    dssim: { name: "1 - SSIM", of: (c) => (c.ssim === null ? null : 1 - c.ssim) },
    rmse: { name: "RMSE of the pixels, 0 to 255", of: (c) => (c.psnr === null ? null : 255 / 10 ** (c.psnr / 20)) },
    spectrum: { name: "spectrum difference, dB", of: (c) => c.spectrum },
  };
  const costs = { evaluations: "evaluations of the network", steps: "steps" };

  // Means over the seeds of a place, geometric as the axes are.
  function places(of, cost) {
    return data.rows.map((_, row) => {
      const points = [];
      data.columns.forEach((__, column) => {
        const cells = data.cells.filter((c) => c.row === row && c.column === column && !c.standard);
        const y = cells.map(of).filter((v) => v > 0), x = cells.map((c) => c[cost]).filter((v) => v > 0);
        const mean = (v) => Math.exp(v.reduce((s, t) => s + Math.log(t), 0) / v.length);
        if (y.length && y.length === cells.length && x.length) points.push([mean(x), mean(y), cells[0], Math.min(...y), Math.max(...y)]);
      });
      return { row, points: points.sort((a, b) => a[0] - b[0]) };
    }).filter((s) => s.points.length);
  }

  function errorPlot() {
    const e = errors[$("error-measure").value], cost = $("error-cost").value, series = places(e.of, cost);
    $("error-section").hidden = files || !series.length;
    if (files || !series.length) return;
    const known = data.references.filter((r) => r.own_error).map((r) => e.of(r.own_error)).filter((v) => v > 0);
    const own = known.length ? Math.max(...known) : undefined;
    const wide = (v, by) => [Math.min(...v) / by, Math.max(...v) * by];
    const [y0, y1] = wide(series.flatMap((s) => s.points.flatMap((p) => [p[3], p[4]])), 1.35);
    const t = (data.target || "").split(":"), measure = $("error-measure").value;
    const target = t[0] === "psnr" && measure === "rmse" ? 255 / 10 ** (t[1] / 20) : t[0] === "ssim" && measure === "dssim" ? 1 - t[1]
      : t[0] === "flip" && measure === "flip" ? +t[1] : t[0] === "flip-worst" && measure === "flip_worst" ? +t[1]
      : t[0] === "rmse" && measure === "latent_rmse" ? +t[1] : undefined;
    const over = (box, lines, name) => {
      const [x0, x1] = wide(lines.flatMap((s) => s.points.map((p) => p[0])), 1.15);
      plot(box, lines, { log: true, low: x0, high: x1, name }, { log: true, low: y0, high: y1, name: e.name }, { dots: true, target, own });
    };
    over($("error-plot"), series, costs[cost]);
    over($("seconds-plot"), places(e.of, "seconds"), "seconds");
    legend($("error-legend"), $("error-section"), series.map((s) => s.row));
    const noisy = data.rows.filter((r) => !r.deterministic).map((r) => r.label.replaceAll("\n", ", "));
    $("error-note").textContent = "Both axes are logarithmic: a solver of order p falls by p decades over one decade of steps. Lower and further left is better. A dot is the mean over its pictures, the bar goes from the least to the most. Click a dot to see its picture."
      + (data.cells.some((c) => c.default) ? " The dot with a ring is the model's default." : "")
      + (noisy.length ? ` Not shown: ${noisy.join("; ")}, which draw fresh noise and have no picture to converge to.` : "");
  }

  function spectrumPlot() {
    const column = +$("spectrum-column").value;
    const series = data.rows.map((_, row) => {
      const c = data.cells.find((x) => x.row === row && x.column === column && x.spectrum_db && !x.standard);
      if (!c) return null;
      const step = data.references[c.reference].frequency_step;
      return { row, points: c.spectrum_db.map((v, i) => [(i + 1) * step, v]).filter((p) => p[1] !== null && p[0] <= 0.5001) };
    }).filter(Boolean);
    const ys = series.flatMap((s) => s.points.map((p) => p[1]));
    if (!ys.length) { $("spectrum-plot").textContent = "There is nothing to show here."; $("spectrum-legend").textContent = ""; return; }
    const low = Math.min(-1, ...ys), high = Math.max(1, ...ys), room = (high - low) * 0.06;
    plot($("spectrum-plot"), series, { low: 0, high: 0.5, name: "cycles per pixel" }, { low: low - room, high: high + room, name: "power, dB over the reference" });
    legend($("spectrum-legend"), $("spectrum-plot"), series.map((s) => s.row));
  }

  // ---- the table ----

  const columns = (files
    ? [["file", "path", "word", (c) => c.path]]
    : [
      ["sampler", "sampler", "word", (c) => c.sampler], ["schedule", "schedule", "word", (c) => c.schedule],
      ["steps", "steps", "", (c) => c.steps],
      ...(data.axes || []).filter((a) => !["sampler", "schedule", "steps", "seed"].includes(a)).map((a) => [a.replaceAll("_", " "), a, "word", (c) => c[a]]),
      ...(data.prompts > 1 ? [["prompt", "prompt", "word", (c) => c.prompt]] : []),
      ["seed", "seed", "", (c) => c.seed], ["evaluations", "evaluations", "", (c) => c.evaluations],
      ["latent RMSE", "latent_rmse", "", (c) => c.latent_rmse, (v) => v.toFixed(4)],
    ]).concat([
    ["PSNR, dB", "psnr", "", (c) => (c.identical ? Infinity : c.psnr), (v) => (v === Infinity ? "same" : v.toFixed(1))],
    ["SSIM", "ssim", "", (c) => c.ssim, (v) => v.toFixed(4)],
    ["FLIP", "flip", "", (c) => c.flip, (v) => v.toFixed(4)],
    ["FLIP where largest", "flip_worst", "", (c) => c.flip_worst, (v) => v.toFixed(4)],
    ["spectrum, dB", "spectrum", "", (c) => c.spectrum, (v) => v.toFixed(2)],
  ], files ? [] : [
    ["reference's own", "own", "", (c) => (referenceOf(c) && referenceOf(c).own_error ? referenceOf(c).own_error.flip_worst : null), (v) => v.toFixed(4)],
    ["seconds", "seconds", "", (c) => c.seconds, (v) => v.toFixed(2)], ["peak MB", "peak_mb", "", (c) => c.peak_mb, (v) => v.toFixed(0)],
  ]);

  function table() {
    const t = $("table"), headRow = add(add(t, "thead"), "tr"), body = add(t, "tbody");
    let sorted = null, down = false;
    const show = () => {
      body.textContent = "";
      const cells = data.cells.map((c, i) => [c, i]);
      if (sorted) {
        const of = sorted[3];
        cells.sort(([a, i], [b, k]) => {
          const x = of(a), y = of(b), none = (v) => v === null || v === undefined || v === "";
          if (none(x) || none(y)) return none(x) - none(y) || i - k; // what was not measured comes last either way
          const order = typeof x === "number" && typeof y === "number" ? x - y || 0 : String(x).localeCompare(String(y), undefined, { numeric: true });
          return (down ? -order : order) || i - k;
        });
      }
      for (const [c, i] of cells) {
        const tr = add(body, "tr", { class: [c.best ? "best" : "", c.default ? "default" : ""].join(" ").trim() });
        for (const col of columns) {
          const v = col[3](c);
          add(tr, "td", { class: col[2] }, v === null || v === undefined ? "" : col[4] ? col[4](v) : String(v));
        }
        if (c.error || c.note) add(tr, "td", { class: "bad" }, c.error || c.note);
        if (c.file) tr.addEventListener("click", () => large.open(i));
      }
    };
    columns.forEach((col) => {
      const th = add(headRow, "th", { class: col[2], scope: "col", "data-key": col[1] }), b = add(th, "button", { type: "button" }, col[0]);
      b.addEventListener("click", () => {
        down = sorted === col ? !down : false;
        sorted = col;
        headRow.querySelectorAll("th").forEach((x) => x.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        show();
      });
    });
    show();
  }

  // ---- all of it ----

  head();
  const has = (key) => data.cells.some((c) => c[key] !== null && c[key] !== undefined);
  choices($("caption"), Object.entries(captions).filter(([k]) => has(k)).map(([k, v]) => [k, v[0]]),
    () => document.querySelectorAll("small[data-cell]").forEach((s) => { s.textContent = captionOf(data.cells[s.dataset.cell]); }));
  size().then(sheet);
  choices($("error-measure"), Object.entries(errors).filter(([, e]) => data.cells.some((c) => e.of(c) > 0)).map(([k, e]) => [k, e.name]), errorPlot);
  choices($("error-cost"), Object.entries(costs), errorPlot);
  const withSpectra = data.columns.map((c, i) => [i, files ? c.label.split("/").pop() : c.label])
    .filter(([i]) => data.cells.some((c) => c.column === i && c.spectrum_db && !c.standard));
  choices($("spectrum-column"), withSpectra, spectrumPlot);
  $("spectrum-section").hidden = !withSpectra.length;
  table();
  const plots = () => { if ($("error-measure").value) errorPlot(); else $("error-section").hidden = true; if (withSpectra.length) spectrumPlot(); };
  plots();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; plots(); } });
})();
