// compare-large.js - an enlarged picture next to its reference: for compare.js, before which it stands in the page.
"use strict";
// of: the report's data and pictures; files: given pictures are compared; how cells and their references are called.
const compareLarge = ({ data, pictures, files, $, add, cellName, referenceOf, referenceName, psnrText, number }) => {
  const dialog = $("large"), view = $("view"), slider = $("slider");
  let at = 0, mode = "wipe", wipeAt = 50, gain = 30;

  const load = (file) => new Promise((done, failed) => {
    const im = new Image();
    im.onload = () => done(im);
    im.onerror = failed;
    im.src = pictures[file];
  });
  const plain = (im, alt) => {
    const e = im.cloneNode();
    e.alt = alt;
    if (im.naturalWidth < 400) e.classList.add("pixels");
    return e;
  };
  const figure = (content, caption) => {
    const f = add(view, "figure");
    f.append(content);
    add(f, "figcaption", {}, caption);
  };

  // |a - b| times a gain, from the pixels themselves; the larger of what shows over black and over white
  function difference(a, b, times) {
    const canvas = document.createElement("canvas"), w = (canvas.width = a.naturalWidth), h = (canvas.height = a.naturalHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const pixels = (im, ground) => { context.fillStyle = ground; context.fillRect(0, 0, w, h); context.drawImage(im, 0, 0); return context.getImageData(0, 0, w, h); };
    const [x0, y0, x1, y1] = ["#000", "#fff"].flatMap((ground) => [pixels(a, ground), pixels(b, ground)]);
    for (let i = 0; i < x0.data.length; i++) {
      if (i % 4 === 3) continue; // alpha: there is none left
      x0.data[i] = Math.min(255, Math.max(Math.abs(x0.data[i] - y0.data[i]), Math.abs(x1.data[i] - y1.data[i])) * times);
    }
    context.putImageData(x0, 0, 0);
    if (w < 400) canvas.classList.add("pixels");
    canvas.setAttribute("role", "img");
    return canvas;
  }

  function wipe(a, b, names) {
    const box = add(view, "div", { class: "wipe" });
    box.append(plain(b, names[1]));
    const over = add(box, "div", { class: "over" }), edge = add(box, "div", { class: "edge" });
    over.append(plain(a, names[0]));
    add(box, "b", {}, names[0]);
    add(box, "b", {}, names[1]);
    const set = (v) => {
      wipeAt = v;
      over.style.clipPath = `inset(0 ${100 - v}% 0 0)`;
      edge.style.left = `calc(${v}% - 1px)`;
      slider.value = v;
    };
    const follow = (e) => {
      const r = box.getBoundingClientRect();
      set(Math.round(Math.min(100, Math.max(0, ((e.clientX - r.left) / r.width) * 100))));
    };
    box.addEventListener("pointerdown", (e) => { e.preventDefault(); box.setPointerCapture(e.pointerId); follow(e); });
    box.addEventListener("pointermove", (e) => { if (e.buttons) follow(e); });
    slider.oninput = () => set(+slider.value);
    set(wipeAt);
  }

  async function show() {
    const c = data.cells[at], f = referenceOf(c), turn = at;
    $("large-title").textContent = cellName(c);
    const a = await load(c.file), b = f && f.file && !c.standard ? await load(f.file) : null;
    if (turn !== at) return; // another was asked for meanwhile
    view.textContent = "";
    const same = b && a.naturalWidth === b.naturalWidth && a.naturalHeight === b.naturalHeight;
    const shown = !b ? "alone" : !same ? "beside" : mode;
    $("slider-label").hidden = shown !== "wipe" && shown !== "difference";
    slider.oninput = null;
    for (const m of dialog.querySelectorAll("[data-mode]")) {
      m.setAttribute("aria-pressed", m.dataset.mode === shown);
      m.disabled = !b || (!same && m.dataset.mode !== "beside");
    }
    const names = [files ? "this" : data.columns[c.column].label, f ? referenceName(f) : ""];
    if (shown === "wipe") {
      $("slider-name").textContent = "Slider";
      wipe(a, b, names);
    } else if (shown === "beside") {
      figure(plain(a, names[0]), names[0]);
      figure(plain(b, names[1]), names[1]);
    } else if (shown === "difference") {
      const times = () => Math.round(2 ** (gain / 20));
      const put = () => {
        view.textContent = "";
        $("slider-name").textContent = `Difference \u00d7${times()}`;
        figure(difference(a, b, times()), `black: no difference; brighter: a difference of ${Math.ceil(255 / times())} of 255 is white`);
      };
      slider.value = gain;
      slider.oninput = () => { gain = +slider.value; put(); };
      put();
    } else {
      figure(plain(a, names[0]), c.standard ? "the others are measured against it" : c.deterministic ? "no reference" : "draws fresh noise: there is no picture to measure it against");
    }
    const words = [];
    if (psnrText(c)) words.push(`PSNR ${psnrText(c)}`);
    if (c.ssim !== null) words.push(`SSIM ${c.ssim.toFixed(4)}`);
    if (c.flip !== null) words.push(`FLIP ${c.flip.toFixed(4)}, where it is largest ${number(c.flip_worst, 4)}`);
    const own = referenceOf(c) && referenceOf(c).own_error;
    if (own && own.flip_worst !== null) words.push(`the reference's own error ${own.flip_worst.toFixed(4)}`);
    if (c.latent_rmse !== null && c.latent_rmse !== undefined) words.push(`latent RMSE ${c.latent_rmse.toFixed(4)}`);
    if (c.spectrum !== null) words.push(`spectrum ${c.spectrum.toFixed(2)} dB`);
    const bands = c.spectrum_bands;
    if (bands && bands.fine !== null) words.push(`coarse ${bands.coarse === null ? "-" : bands.coarse.toFixed(1)}, middle ${number(bands.middle, 1)}, fine ${number(bands.fine, 1)} dB`);
    if (c.evaluations) words.push(`${c.evaluations} evaluations`);
    if (c.seconds) words.push(`${c.seconds.toFixed(2)} s`);
    $("large-measures").textContent = words.join(" \u00b7 ");
  }

  function go(by) {
    const n = data.cells.length;
    for (let i = 1; i <= n; i++) {
      const next = (at + by * i + n * n) % n;
      if (!data.cells[next].file) continue;
      at = next;
      show();
      return;
    }
  }
  for (const m of dialog.querySelectorAll("[data-mode]")) m.addEventListener("click", () => { mode = m.dataset.mode; show(); });
  $("previous").addEventListener("click", () => go(-1));
  $("next").addEventListener("click", () => go(1));
  $("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (e) => { if (e.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (e) => {
    if (e.target === slider) return;
    if (e.key === "ArrowLeft") go(-1);
    if (e.key === "ArrowRight") go(1);
  });
  return { open(i) { if (!data.cells[i].file) return; at = i; show(); if (!dialog.open) dialog.showModal(); } };
};
