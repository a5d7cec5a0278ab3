/*
 * gallery.js - the gallery of a batch: what is in the page's data, filtered, sorted and shown. Of ten thousand pictures only
 * those in view are in the document.
 */
"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const grid = $("grid"), panel = $("panel"), large = $("large");
const make = (tag, props = {}, ...children) => {
    const e = Object.assign(document.createElement(tag), props);
    e.append(...children);
    return e;
};
const store = { /* file: pages of some browsers have no storage */
    get(key) { try { return localStorage.getItem("limn-" + key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem("limn-" + key, value); } catch { /* it is a convenience */ } },
};

/* ---- the pictures and their fields ---- */

const SKIPPED = new Set(["prompt", "output"]);
const shown = (v) => v === true ? "yes" : v === false ? "no" : Array.isArray(v) || (v && typeof v === "object") ? JSON.stringify(v) : String(v);
const options = new Set(data.options.map((o) => o.name.replaceAll("-", "_")));
const pictures = data.pictures.map((p, index) => {
    const own = Object.entries(p.job || {}).filter(([k]) => !options.has(k)); /* the user's fields come first */
    const values = { ...(p.id === undefined ? {} : { id: p.id }), ...Object.fromEntries(own), ...p.job };
    for (const key of ["status", "seconds", "error"]) if (p[key] !== undefined && values[key] === undefined) values[key] = p[key];
    return { ...p, index, job: p.job || {}, values, prompt: String((p.job || {}).prompt ?? ""), ok: p.status === undefined || p.status === "done" };
});
for (const p of pictures) p.words = (p.prompt + "\n" + p.file).toLowerCase();

/* A field is a list of values, or a range where it has many and all are numbers, or else a text to look for. */
const LIST = 60;
const labels = (name) => name.replaceAll("_", " ");
function findFields() {
    const names = new Map();
    for (const p of pictures) for (const [k, v] of Object.entries(p.values)) {
        if (SKIPPED.has(k) || v === null || v === "") continue;
        let f = names.get(k);
        if (!f) names.set(k, f = { name: k, counts: new Map(), numeric: true, low: Infinity, high: -Infinity });
        const n = Number(v);
        if (typeof v === "boolean" || v === "" || !Number.isFinite(n)) f.numeric = false;
        else { f.low = Math.min(f.low, n); f.high = Math.max(f.high, n); }
        if (f.counts.size <= 2000) f.counts.set(shown(v), (f.counts.get(shown(v)) || 0) + 1);
    }
    const fields = [...names.values()];
    for (const f of fields) {
        f.kind = f.counts.size <= (f.numeric ? 24 : LIST) ? "list" : f.numeric ? "range" : "text";
        const missing = pictures.length - [...f.counts.values()].reduce((a, b) => a + b, 0);
        f.useful = f.counts.size > 1 || (missing > 0 && f.counts.size > 0);
        f.values = [...f.counts.keys()].sort((a, b) => f.numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    }
    return fields;
}
const fields = findFields();
const useful = fields.filter((f) => f.useful);

/* ---- what is asked for: in the address, so that it can be kept ---- */

const state = { q: "", sort: "index", down: false, lists: {}, ranges: {}, texts: {} };
function readAddress() {
    const q = new URLSearchParams(location.hash.slice(1));
    Object.assign(state, { q: q.get("q") || "", sort: q.get("sort") || "index", down: q.get("order") === "down", lists: {}, ranges: {}, texts: {} });
    for (const f of useful) {
        const all = q.getAll("f." + f.name);
        if (!all.length) continue;
        if (f.kind === "list") state.lists[f.name] = new Set(all);
        else if (f.kind === "text") state.texts[f.name] = all[0];
        else { const [low, high] = all[0].split("..").map((s) => s === "" ? null : Number(s)); state.ranges[f.name] = [low, high ?? null]; }
    }
}
function writeAddress() {
    const q = new URLSearchParams();
    if (state.q) q.set("q", state.q);
    if (state.sort !== "index") q.set("sort", state.sort);
    if (state.down) q.set("order", "down");
    for (const [k, set] of Object.entries(state.lists)) for (const v of set) q.append("f." + k, v);
    for (const [k, [low, high]] of Object.entries(state.ranges)) q.append("f." + k, (low ?? "") + ".." + (high ?? ""));
    for (const [k, v] of Object.entries(state.texts)) q.append("f." + k, v);
    const text = q.toString();
    history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
}
const asked = () => state.q || Object.keys(state.lists).length || Object.keys(state.ranges).length || Object.keys(state.texts).length;

/* Whether a picture passes the filters, but for one field's own (to count what that would give). */
function passes(p, words, but) {
    for (const w of words) if (!p.words.includes(w)) return false;
    for (const k in state.lists) if (k !== but && !state.lists[k].has(p.values[k] === undefined ? "" : shown(p.values[k]))) return false;
    for (const k in state.ranges) {
        if (k === but) continue;
        const [low, high] = state.ranges[k], v = p.values[k] === undefined ? NaN : Number(p.values[k]);
        if (!(v >= (low ?? -Infinity) && v <= (high ?? Infinity))) return false;
    }
    for (const k in state.texts) if (k !== but && !shown(p.values[k] ?? "").toLowerCase().includes(state.texts[k].toLowerCase())) return false;
    return true;
}

/* ---- the list in view ---- */

let view = [], at = 0;
const collator = new Intl.Collator(undefined, { numeric: true });
function sortValue(p) {
    if (state.sort === "index") return p.index;
    if (state.sort === "prompt" || state.sort === "file") return p[state.sort];
    return p.values[state.sort];
}
function compare(a, b) {
    const x = sortValue(a), y = sortValue(b);
    if (x === undefined || y === undefined) return (x === undefined) - (y === undefined) || a.index - b.index;
    const d = typeof x === "number" && typeof y === "number" ? x - y : collator.compare(String(x), String(y));
    return (state.down ? -d : d) || a.index - b.index;
}
function update(keep) {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean), current = keep && view[at];
    view = pictures.filter((p) => passes(p, words)).sort(compare);
    at = Math.max(0, current ? view.indexOf(current) : 0);
    const n = pictures.length.toLocaleString();
    $("count").textContent = view.length === pictures.length ? `${n} picture${pictures.length === 1 ? "" : "s"}` : `${view.length.toLocaleString()} of ${n}`;
    $("none").hidden = view.length > 0;
    drawFacets(words);
    drawChosen();
    layout();
    writeAddress();
}

/* ---- the grid: cells for what is in view, by their place in the list ---- */

let side = Number(store.get("size")) || 152, columns = 1, cellW = 0, cellH = 0;
const GAP = 12, WORDS = 42, cells = new Map();
const ratio = (() => { /* height of a picture by its width, of the tallest kind */
    let r = 0;
    for (const p of pictures) { const w = Number(p.job.width), h = Number(p.job.height); if (w > 0 && h > 0) r = Math.max(r, h / w); }
    return Math.min(Math.max(r || 1, 0.5), 2);
})();
function layout() {
    const width = grid.clientWidth;
    columns = Math.max(1, Math.floor((width + GAP) / (side + GAP)));
    if (columns === 1 && width > 2 * 88 + GAP && width < 2 * side) columns = 2;
    cellW = Math.floor((width - (columns - 1) * GAP) / columns);
    cellH = Math.round(cellW * ratio) + WORDS;
    const rows = Math.ceil(view.length / columns);
    grid.style.height = Math.max(0, rows * (cellH + GAP) - GAP) + "px";
    for (const c of cells.values()) c.remove();
    cells.clear();
    drawCells();
}
function makeCell(i) {
    const p = view[i], thumb = make("div", { className: "thumb checks" });
    if (p.ok) {
        const img = make("img", { alt: p.prompt, decoding: "async", loading: "lazy", draggable: false });
        img.onload = () => img.classList.toggle("sharp", img.naturalWidth * 1.5 <= cellW * devicePixelRatio);
        img.onerror = () => thumb.append(make("div", { className: "why", textContent: "The file is not there: " + p.file }));
        img.src = url(thumbFile(p));
        thumb.append(img);
    } else thumb.append(make("div", { className: "why", textContent: p.error || p.status }));
    const cell = make("div", { className: "cell", id: "cell" + i, title: p.prompt }, thumb,
        make("div", { className: "words" }, make("div", { textContent: p.prompt || p.file }), make("div", { className: "quiet number", textContent: caption(p) })));
    cell.setAttribute("role", "option");
    cell.setAttribute("aria-selected", i === at);
    cell.setAttribute("aria-posinset", i + 1);
    cell.setAttribute("aria-setsize", view.length);
    cell.dataset.i = i;
    cell.style.width = cellW + "px";
    cell.style.height = cellH + "px";
    cell.style.transform = `translate(${(i % columns) * (cellW + GAP)}px, ${Math.floor(i / columns) * (cellH + GAP)}px)`;
    return cell;
}
/* The smallest file that has the pixels: one of --sizes, or the picture. */
function thumbFile(p) {
    let file = p.file, least = Infinity;
    for (const c of p.copies || []) {
        const size = Number(/_(\d+)\.png$/.exec(c.file)?.[1]);
        if (size >= cellW * devicePixelRatio && size < least) { least = size; file = c.file; }
    }
    return file;
}
/* What tells a picture from its neighbours: the field sorted by, else its seed. */
function caption(p) {
    if (!["index", "prompt", "file", "seed"].includes(state.sort) && p.values[state.sort] !== undefined)
        return labels(state.sort) + " " + shown(p.values[state.sort]);
    return p.job.seed !== undefined ? "seed " + p.job.seed : p.file;
}
function drawCells() {
    const top = grid.getBoundingClientRect().top, row = cellH + GAP, spare = 2;
    const first = Math.max(0, Math.floor(-top / row) - spare) * columns;
    const last = Math.min(view.length, (Math.ceil((innerHeight - top) / row) + spare) * columns);
    for (const [i, c] of cells) if (i < first || i >= last) { c.remove(); cells.delete(i); }
    for (let i = first; i < last; i++) if (!cells.has(i)) { const c = makeCell(i); cells.set(i, c); grid.append(c); }
    if (cells.has(at)) grid.setAttribute("aria-activedescendant", "cell" + at);
    else grid.removeAttribute("aria-activedescendant");
}
let waiting = false;
const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; drawCells(); }); } };
const url = (file) => file.split("/").map(encodeURIComponent).join("/");

function select(i, scroll = true) {
    if (!view.length) return;
    cells.get(at)?.setAttribute("aria-selected", false);
    at = Math.min(Math.max(i, 0), view.length - 1);
    cells.get(at)?.setAttribute("aria-selected", true);
    if (scroll) {
        if (!large.open) grid.focus({ preventScroll: true });
        const bar = document.querySelector(".bar").offsetHeight + GAP, y = grid.getBoundingClientRect().top + Math.floor(at / columns) * (cellH + GAP);
        if (y < bar) scrollBy(0, y - bar);
        else if (y + cellH > innerHeight - GAP) scrollBy(0, y + cellH - innerHeight + GAP);
    }
    drawCells();
    cells.get(at)?.setAttribute("aria-selected", true);
}

/* ---- the filters ---- */

const facets = new Map();
function makeFacets() {
    for (const f of useful) {
        const title = make("span", { textContent: labels(f.name) });
        const box = make("details", { className: "facet", open: f.kind === "list" && f.counts.size <= 12 && facets.size < 6 }, make("summary", {}, title));
        const facet = { f, title, rows: new Map() };
        if (f.kind === "list") {
            const values = make("div", { className: "values" });
            for (const v of f.values) {
                const input = make("input", { type: "checkbox" }), count = make("span", { className: "quiet number" });
                input.onchange = () => {
                    const set = state.lists[f.name] || (state.lists[f.name] = new Set());
                    input.checked ? set.add(v) : set.delete(v);
                    if (!set.size) delete state.lists[f.name];
                    update();
                };
                values.append(make("label", { title: v }, input, make("span", { textContent: v }), count));
                facet.rows.set(v, { input, count });
            }
            box.append(values);
        } else if (f.kind === "range") {
            const ends = ["from", "to"].map((word, k) => {
                const input = make("input", { type: "number", step: "any", placeholder: k ? f.high : f.low });
                input.setAttribute("aria-label", `${labels(f.name)} ${word}`);
                input.oninput = () => {
                    const [low, high] = ends.map((e) => e.value === "" ? null : Number(e.value));
                    if (low === null && high === null) delete state.ranges[f.name];
                    else state.ranges[f.name] = [low, high];
                    later();
                };
                return input;
            });
            facet.ends = ends;
            box.append(make("div", { className: "between2" }, ends[0], make("span", { className: "quiet", textContent: "to" }), ends[1]));
        } else {
            const input = make("input", { type: "search", placeholder: "has the words" });
            input.setAttribute("aria-label", labels(f.name));
            input.oninput = () => { if (input.value) state.texts[f.name] = input.value; else delete state.texts[f.name]; later(); };
            facet.text = input;
            box.append(input);
        }
        facets.set(f.name, facet);
        panel.append(box);
    }
    if (!useful.length) panel.append(make("p", { className: "quiet", textContent: "All pictures have the same settings." }));
}
function drawFacets(words) {
    for (const { f, title, rows, ends, text } of facets.values()) {
        const on = f.name in state.lists || f.name in state.ranges || f.name in state.texts;
        title.classList.toggle("on", on);
        if (f.kind === "list") {
            const counts = new Map();
            for (const p of pictures) if (p.values[f.name] !== undefined && passes(p, words, f.name)) {
                const v = shown(p.values[f.name]);
                counts.set(v, (counts.get(v) || 0) + 1);
            }
            for (const [v, row] of rows) {
                const n = counts.get(v) || 0;
                row.count.textContent = n.toLocaleString();
                row.input.checked = !!state.lists[f.name]?.has(v);
                row.input.parentElement.classList.toggle("zero", !n && !row.input.checked);
            }
        }
        if (ends) ends.forEach((e, k) => { if (document.activeElement !== e) e.value = state.ranges[f.name]?.[k] ?? ""; });
        if (text && document.activeElement !== text) text.value = state.texts[f.name] || "";
    }
    if (document.activeElement !== $("search")) $("search").value = state.q;
    $("filters").textContent = asked() ? "Filter \u2022" : "Filter";
}
function drawChosen() {
    const row = $("chosen"), off = (text, f) => row.append(make("button", { textContent: text, title: "Remove", onclick: () => { f(); update(); } }));
    row.textContent = "";
    if (state.q) off(`\u201c${state.q}\u201d`, () => { state.q = ""; $("search").value = ""; });
    for (const [k, set] of Object.entries(state.lists)) for (const v of set) off(`${labels(k)} ${v}`, () => { set.delete(v); if (!set.size) delete state.lists[k]; });
    for (const [k, [low, high]] of Object.entries(state.ranges)) off(`${labels(k)} ${low ?? "\u2026"} to ${high ?? "\u2026"}`, () => delete state.ranges[k]);
    for (const [k, v] of Object.entries(state.texts)) off(`${labels(k)} \u201c${v}\u201d`, () => delete state.texts[k]);
    if (row.children.length > 1) row.append(make("button", { className: "plain", textContent: "Clear all", onclick: clear }));
}
function clear() {
    Object.assign(state, { q: "", lists: {}, ranges: {}, texts: {} });
    $("search").value = "";
    update(true);
}
let timer = 0;
const later = () => { clearTimeout(timer); timer = setTimeout(update, 90); };

/* ---- the command of a picture ---- */

/* What a terminal takes for keys or does not show, as base/visible.h has it; newlines with the character that follows. */
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]+/gu;
const octal = (s) => [...new TextEncoder().encode(s)].map((b) => "\\" + b.toString(8).padStart(3, "0")).join("");
/* A word for any POSIX shell, as base/shell.h writes it: its bytes, none of which a paste can set off. */
function quote(s) {
    if (/^[A-Za-z0-9_.,:\/=+-]+$/.test(s)) return s;
    const end = /\n*$/.exec(s)[0], body = s.slice(0, s.length - end.length), whole = new RegExp(`(?:${hidden.source})(?:(?<=\\n)[^])?`, "gu");
    let out = "'", at = 0;
    for (const m of body.matchAll(whole)) {
        out += body.slice(at, m.index).replaceAll("'", "'\\''") + `'"$(printf '${octal(m[0])}')"'`;
        at = m.index + m[0].length;
    }
    return out + body.slice(at).replaceAll("'", "'\\''") + end + "'";
}
function commandWords(p) {
    const words = ["limn", "generate"], prompt = p.prompt;
    words.push(prompt.startsWith("-") || prompt === "" ? "--prompt=" + quote(prompt) : quote(prompt));
    for (const o of data.options) {
        const v = p.job[o.name.replaceAll("-", "_")];
        if (o.name === "prompt" || v === undefined || v === null || v === "" || v === false || String(v) === o.dflt) continue;
        words.push(v === true ? "--" + o.name : String(v).startsWith("-") ? `--${o.name}=${quote(String(v))}` : `--${o.name} ${quote(String(v))}`);
    }
    return words;
}
const command = (p) => commandWords(p).join(" ");
async function copy(text) {
    try { await navigator.clipboard.writeText(text); } catch {
        const area = make("textarea", { value: text, readOnly: true });
        area.style.cssText = "position:fixed;opacity:0";
        (large.open ? large : document.body).append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
    }
    toast("Copied");
}
function toast(text) {
    const t = $("toast");
    (large.open ? large : document.body).append(t);
    t.textContent = text;
    clearTimeout(toast.timer);
    toast.timer = setTimeout(() => { t.textContent = ""; }, 1400);
}

/* ---- one picture, large ---- */

const GROUNDS = ["checks", "white", "black"];
function setGround(name) {
    $("stage").dataset.ground = name;
    $("stage").classList.toggle("checks", name === "checks");
    for (const b of document.querySelectorAll(".ground")) b.setAttribute("aria-pressed", b.dataset.ground === name);
    store.set("ground", name);
}
/* As large as there is room for; small pictures in whole steps, so that their pixels stay square. */
function fit() {
    const img = $("picture"), w = img.naturalWidth, h = img.naturalHeight, room = $("stage").getBoundingClientRect();
    if (!w || !large.open) return;
    let scale = Math.min((room.width - 32) / w, (room.height - 32) / h);
    if (scale >= 1) scale = Math.max(1, Math.floor(Math.min(scale, 1024 / Math.max(w, h) > 1 ? 1024 / Math.max(w, h) : 1)));
    img.style.width = w * scale + "px";
    img.style.height = h * scale + "px";
    img.classList.toggle("sharp", scale >= 1.5);
}
function open() {
    const p = view[at];
    if (!p) return;
    $("picture").hidden = !p.ok;
    if (p.ok) { $("picture").alt = p.prompt; $("picture").src = url(p.file); } else $("picture").removeAttribute("src");
    $("failure").hidden = p.ok;
    $("failure").textContent = p.ok ? "" : p.error || p.status;
    $("place").textContent = `${(at + 1).toLocaleString()} of ${view.length.toLocaleString()}`;
    $("prompt").textContent = p.prompt || p.file;
    /* a word is broken only where it is long */
    $("command").replaceChildren(...commandWords(p).flatMap((w, i) => [i ? " " : "", w.length < 36 ? make("span", { textContent: w }) : w]));
    $("copyagain").hidden = $("open").hidden = !p.ok;
    $("open").href = url(p.file);
    $("before").disabled = at === 0;
    $("after").disabled = at === view.length - 1;
    const rows = [["file", p.file], ...Object.entries(p.values).filter(([k]) => k !== "prompt")];
    if (p.bytes !== undefined) rows.push(["bytes", Number(p.bytes).toLocaleString()]);
    if (p.sha256) rows.push(["sha256", p.sha256]);
    $("fields").replaceChildren(...rows.filter(([, v]) => v !== "" && v !== null).map(([k, v]) =>
        make("tr", {}, make("th", { textContent: labels(k), scope: "row" }), make("td", { textContent: shown(v), className: k === "sha256" ? "mono" : "number" }))));
    if (!large.open) large.showModal();
    large.querySelector(".about").scrollTop = 0;
    fit();
}
const step = (d) => { select(at + d); if (large.open) open(); };
const copyThis = () => { if (view[at]) copy(command(view[at])); };

/* ---- hands ---- */

function nextTheme() {
    const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    store.set("theme", dark ? "light" : "dark");
}
function onKey(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || $("help").open) return;
    const typing = e.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
    if (e.key === "Escape" && typing && !large.open) { e.target.blur(); grid.focus({ preventScroll: true }); return; }
    if (typing || (e.target.matches("input, button, summary, a") && [" ", "Enter"].includes(e.key)) || e.target.matches("input[type=range]")) return;
    const page = Math.max(1, Math.floor((innerHeight - 80) / (cellH + GAP))) * columns;
    const inLarge = large.open, moves = inLarge ? { ArrowLeft: -1, ArrowRight: 1 }
        : { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -view.length, End: view.length };
    if (e.key in moves) step(moves[e.key]);
    else if (e.key === "/" && !inLarge) { $("search").focus(); $("search").select(); }
    else if ((e.key === "Enter" || e.key === " ") && !inLarge) open();
    else if (e.key === "c") copyThis();
    else if (e.key === "b") { setGround(GROUNDS[(GROUNDS.indexOf($("stage").dataset.ground) + 1) % 3]); }
    else if (e.key === "?" && !inLarge) $("help").showModal();
    else return;
    e.preventDefault();
}
function start() {
    document.title = (data.title || "Pictures") + " \u2013 limn";
    $("title").textContent = data.title || "";
    const choices = [["index", "order drawn"], ["prompt", "prompt"], ["file", "file"], ...useful.filter((f) => f.name !== "error").map((f) => [f.name, labels(f.name)])];
    $("sort").append(...choices.map(([value, text]) => make("option", { value, textContent: text })));
    readAddress();
    if (!choices.some(([name]) => name === state.sort)) state.sort = "index";
    $("sort").value = state.sort;
    $("size").value = side;
    const theme = store.get("theme");
    if (theme) document.documentElement.dataset.theme = theme;
    setGround(GROUNDS.includes(store.get("ground")) ? store.get("ground") : "checks");
    makeFacets();

    $("search").oninput = (e) => { state.q = e.target.value.trim(); later(); };
    $("search").onkeydown = (e) => { if (e.key === "Enter" || e.key === "ArrowDown") { e.preventDefault(); grid.focus(); select(0); } };
    $("sort").onchange = (e) => { state.sort = e.target.value; update(true); select(at); };
    $("order").onclick = () => { state.down = !state.down; $("order").setAttribute("aria-pressed", state.down); update(true); };
    $("order").setAttribute("aria-pressed", state.down);
    $("size").oninput = (e) => { side = Number(e.target.value); store.set("size", side); layout(); };
    $("theme").onclick = nextTheme;
    $("keys").onclick = () => $("help").showModal();
    $("clear").onclick = clear;
    $("filters").onclick = () => { const on = panel.classList.toggle("shown"); $("filters").setAttribute("aria-expanded", on); layout(); };
    grid.onclick = (e) => { const c = e.target.closest(".cell"); if (c) { select(Number(c.dataset.i), false); open(); } };
    $("picture").onload = fit;
    $("before").onclick = () => step(-1);
    $("after").onclick = () => step(1);
    $("copy").onclick = copyThis;
    $("copyagain").onclick = () => copy("limn again " + quote(view[at].file));
    $("close").onclick = () => large.close();
    large.onclose = () => { $("picture").removeAttribute("src"); document.body.append($("toast")); grid.focus({ preventScroll: true }); };
    for (const b of document.querySelectorAll(".ground")) b.onclick = () => setGround(b.dataset.ground);
    addEventListener("keydown", onKey);
    addEventListener("scroll", soon, { passive: true });
    addEventListener("hashchange", () => { readAddress(); $("sort").value = state.sort; update(); });
    const bar = document.querySelector(".bar"), measure = () => document.documentElement.style.setProperty("--bar", bar.offsetHeight + "px");
    let width = 0;
    new ResizeObserver(() => { measure(); if (grid.clientWidth !== width) { width = grid.clientWidth; layout(); } fit(); }).observe(document.body);
    measure();
    update();
}
start();
})();
