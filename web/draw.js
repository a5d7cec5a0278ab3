/* draw.js - the page of limn serve. It talks to its own server only (docs/serve.md); texts of others go in as text, never as HTML. */
"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...children) => {
    const e = Object.assign(document.createElement(tag), props);
    e.append(...children);
    return e;
};
const store = { /* where a browser has none, nothing is remembered */
    get(key) { try { return localStorage.getItem("limn-" + key); } catch { return null; } },
    set(key, value) { try { localStorage.setItem("limn-" + key, value); } catch { /* it is a convenience */ } },
};
const FIELDS = ["prompt", "negative_prompt", "model", "count", "width", "height", "steps", "seed", "cfg_scale", "sampler", "schedule", "transparent"];
const NUMBERS = new Set(["count", "width", "height", "steps", "cfg_scale"]);

let toastTimer;
function toast(text) {
    $("toast").textContent = text;
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => { $("toast").textContent = ""; }, 3000);
}

/* ---- the server ---- */

let key = null;
try { key = sessionStorage.getItem("limn-key"); } catch { /* asked for each time */ }
async function call(method, path, body) {
    const headers = key ? { authorization: "Bearer " + key } : {};
    if (body !== undefined) headers["content-type"] = "application/json";
    const r = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    if (r.status === 401) {
        await askKey();
        return call(method, path, body);
    }
    if (!r.ok) {
        const e = await r.json().catch(() => null);
        throw new Error(e?.error?.message || `${r.status} ${r.statusText}`);
    }
    return r;
}
const json = async (method, path, body) => (await call(method, path, body)).json();
function askKey() {
    return new Promise((done) => {
        if (!$("ask").open) $("ask").showModal();
        $("keyform").addEventListener("submit", (e) => {
            e.preventDefault();
            key = $("key").value.trim();
            try { sessionStorage.setItem("limn-key", key); } catch { /* asked for each time */ }
            $("ask").close();
            done();
        }, { once: true });
    });
}
/* An address that an <img> can have: with a key the bytes are fetched, as images send none. */
async function address(path) {
    if (!key) return path;
    return URL.createObjectURL(await (await call("GET", path)).blob());
}
async function show(img, path) {
    try {
        const old = img.src;
        img.src = await address(path);
        if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    } catch (e) { img.alt = e.message; }
}

/* ---- the form ---- */

function read() {
    const job = {};
    for (const f of FIELDS) {
        const e = $(f), v = e.type === "checkbox" ? e.checked : e.value.trim();
        if (v === "" || v === false) continue;
        job[f] = NUMBERS.has(f) ? Number(v) : v;
    }
    return job;
}
function fill(job) {
    for (const f of FIELDS) {
        const e = $(f), v = job[f];
        if (e.type === "checkbox") e.checked = v === true;
        else if (e.tagName === "SELECT") e.value = [...e.options].some((o) => o.value === v) ? v : e.options[0]?.value ?? "";
        else e.value = v ?? "";
    }
    remember();
}
const remember = () => store.set("form", JSON.stringify({ ...read(), strength: $("strength").value, more: $("more").open }));
/* A picture's settings, as limn wrote them, as fields. */
function fieldsOf(settings) {
    const job = { ...(settings?.options || {}) };
    const name = settings?.model?.name;
    job.model = [...$("model").options].map((o) => o.value).find((v) => v === name || v.replace(/\.(safetensors|gguf)$/, "") === name) || "";
    job.count = "";
    return job;
}
async function send(job) {
    $("problem").textContent = "";
    try {
        watch(await json("POST", "/jobs?preview=2", job));
        return true;
    } catch (e) {
        $("problem").textContent = e.message;
        $("problem").scrollIntoView({ block: "nearest" });
        return false;
    }
}
$("form").addEventListener("submit", async (e) => {
    e.preventDefault();
    remember();
    const job = read();
    if (start) {
        job.init_image = start;
        job.strength = Number($("strength").value);
        const mask = painted();
        if (mask) job.mask = mask;
    }
    $("draw").disabled = true;
    await send(job);
    $("draw").disabled = false;
});
$("form").addEventListener("input", remember);
$("more").addEventListener("toggle", remember);
document.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey) && !document.querySelector("dialog[open]")) $("form").requestSubmit();
    else if (e.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(document.activeElement.tagName) && !document.querySelector("dialog[open]")) {
        e.preventDefault();
        $("prompt").focus();
    }
});

/* ---- a picture to start from, and paint on it ---- */

let start = null; /* data: */
const canvas = $("mask"), ink = canvas.getContext("2d");
let touched = false;
function setStart(url) {
    start = url;
    $("start").hidden = !url;
    touched = false;
    if (!url) {
        $("startpicture").removeAttribute("src");
        return;
    }
    $("startpicture").onload = () => {
        canvas.width = $("startpicture").naturalWidth;
        canvas.height = $("startpicture").naturalHeight;
    };
    $("startpicture").src = url;
    $("start").scrollIntoView({ block: "nearest" });
}
const asData = (blob) => new Promise((done, fail) => {
    const r = new FileReader();
    r.onload = () => done(r.result);
    r.onerror = () => fail(r.error);
    r.readAsDataURL(blob);
});
/* White where paint is, on black. */
function painted() {
    if (!touched) return null;
    const out = make("canvas", { width: canvas.width, height: canvas.height }), c = out.getContext("2d");
    const from = ink.getImageData(0, 0, canvas.width, canvas.height), to = c.createImageData(canvas.width, canvas.height);
    for (let i = 0; i < to.data.length; i += 4) {
        to.data[i] = to.data[i + 1] = to.data[i + 2] = from.data[i + 3] > 127 ? 255 : 0;
        to.data[i + 3] = 255;
    }
    c.putImageData(to, 0, 0);
    return out.toDataURL("image/png");
}
let last = null;
function stroke(e) {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const at = [(e.clientX - box.left) * scale, (e.clientY - box.top) * scale];
    ink.strokeStyle = "#e0452a";
    ink.lineWidth = $("brush").value * scale;
    ink.lineCap = ink.lineJoin = "round";
    ink.beginPath();
    ink.moveTo(...(last || at));
    ink.lineTo(at[0] + (last ? 0 : .01), at[1]);
    ink.stroke();
    last = at;
    touched = true;
}
canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); last = null; stroke(e); });
canvas.addEventListener("pointermove", (e) => { if (e.buttons) stroke(e); });
canvas.addEventListener("pointerup", () => { last = null; });
$("unpaint").onclick = () => { ink.clearRect(0, 0, canvas.width, canvas.height); touched = false; };
$("nostart").onclick = () => setStart(null);
$("file").onchange = async () => {
    const file = $("file").files[0];
    if (file) setStart(await asData(file));
    $("file").value = "";
};

/* ---- the settings in a PNG that is dropped ---- */

async function inflate(bytes) {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function texts(buffer) {
    const b = new Uint8Array(buffer), view = new DataView(buffer), found = {}, latin = new TextDecoder("latin1"), utf8 = new TextDecoder();
    for (let at = 8; at + 12 <= b.length;) {
        const n = view.getUint32(at), kind = latin.decode(b.subarray(at + 4, at + 8)), data = b.subarray(at + 8, at + 8 + n);
        const zero = data.indexOf(0), name = latin.decode(data.subarray(0, zero));
        if (kind === "tEXt" && zero > 0) found[name] = latin.decode(data.subarray(zero + 1));
        if (kind === "zTXt" && zero > 0) found[name] = latin.decode(await inflate(data.subarray(zero + 2)));
        if (kind === "iTXt" && zero > 0) {
            const tag = data.indexOf(0, zero + 3), from = data.indexOf(0, tag + 1) + 1, text = data.subarray(from);
            found[name] = utf8.decode(data[zero + 1] ? await inflate(text) : text);
        }
        at += 12 + n;
    }
    return found;
}
/* A1111's text: the prompt, "Negative prompt: ...", and "Steps: 20, Sampler: Euler a, ...". */
function fromParameters(text) {
    const lines = text.split("\n"), at = lines.findLastIndex((l) => /^Steps: \d+/.test(l));
    const values = Object.fromEntries([...(lines[at] || "").matchAll(/([\w ]+): ("[^"]*"|[^,]*)/g)].map((m) => [m[1].trim(), m[2]]));
    const rest = lines.slice(0, at < 0 ? lines.length : at).join("\n"), [prompt, negative] = rest.split(/\n?Negative prompt: /);
    const [width, height] = (values.Size || "").split("x"), known = (id, v) => [...$(id).options].map((o) => o.value).find((o) => o && v && o.replace(/_/g, "") === v.toLowerCase().replace(/[+]/g, "p").replace(/[ _-]/g, "")) || "";
    return { prompt, negative_prompt: negative, steps: values.Steps, cfg_scale: values["CFG scale"], seed: values.Seed, width, height,
        sampler: known("sampler", values.Sampler), schedule: known("schedule", values["Schedule type"]) };
}
async function takeFile(file) {
    if (file.type === "image/png") {
        try {
            const t = await texts(await file.arrayBuffer());
            if (t.limn || t.parameters) {
                fill(t.limn ? fieldsOf(JSON.parse(t.limn)) : fromParameters(t.parameters));
                toast("These are the settings of " + file.name);
                return;
            }
        } catch { /* a PNG of someone else's */ }
    }
    if (/^image\/(png|jpeg|webp)$/.test(file.type)) {
        setStart(await asData(file));
        toast("No settings in it: it is the picture to start from");
    } else toast("A PNG, JPEG or WebP is expected");
}
let over = 0;
addEventListener("dragenter", (e) => { e.preventDefault(); over++; document.body.classList.add("over"); });
addEventListener("dragleave", () => { if (--over <= 0) { over = 0; document.body.classList.remove("over"); } });
addEventListener("dragover", (e) => e.preventDefault());
addEventListener("drop", (e) => {
    e.preventDefault();
    over = 0;
    document.body.classList.remove("over");
    const file = e.dataTransfer.files[0];
    if (file) takeFile(file);
});

/* ---- jobs ---- */

const jobs = new Map(); /* number -> { job, row, shown } */
function addRow(job) {
    const row = make("article", { className: "job card" }), img = make("img", { alt: "", hidden: true });
    const bar = make("progress", { max: 1, value: 0 }), cancel = make("button", { textContent: "Cancel" });
    bar.setAttribute("aria-label", "Progress of " + (job.prompt || "a picture"));
    const note = make("p", { className: "note quiet" });
    row.append(img, make("span", { className: "blank" }), make("div", {}, make("p", { textContent: job.prompt || "(no words)" }), bar, note), cancel);
    cancel.onclick = async () => {
        cancel.disabled = true;
        await json("POST", `/jobs/${job.id}/cancel`, {}).catch((e) => toast(e.message));
        poll(job.id);
    };
    $("queue").append(row);
    return { job, row, img, bar, note, shown: 0 };
}
function watch(job) {
    if (!jobs.has(job.id)) jobs.set(job.id, addRow(job));
    update(job);
    poll(job.id);
}
function update(job) {
    const j = jobs.get(job.id);
    if (!j) return;
    j.job = job;
    j.bar.value = job.progress;
    const many = job.pictures > 1 ? `picture ${Math.min(job.finished + 1, job.pictures)} of ${job.pictures}, ` : "";
    j.note.textContent = job.state === "queued" ? (job.ahead ? `${job.ahead} before it` : "next") : job.state === "drawing" ?
        many + (job.steps ? `step ${job.step} of ${job.steps}` : "the model is opened") : job.error || job.state;
    if (job.preview && job.state === "drawing") {
        j.img.hidden = false;
        j.img.nextSibling.hidden = true;
        call("GET", `/jobs/${job.id}/preview`).then(async (r) => {
            if (r.status !== 200) return;
            const old = j.img.src;
            j.img.src = URL.createObjectURL(await r.blob());
            if (old) URL.revokeObjectURL(old);
        }).catch(() => {});
    }
    for (const m of job.made || []) addCell({ ...m, words: job.words }, true);
    j.shown += (job.made || []).length;
    const working = [...jobs.values()].filter((x) => x.job.state === "drawing" || x.job.state === "queued").length;
    $("status").textContent = working ? `${working} in work` : "";
    document.title = working ? `limn (${working})` : "limn";
    if (job.state === "queued" || job.state === "drawing") return;
    jobs.delete(job.id);
    if (job.words.length) toast(job.words.join(" \u2014 "));
    if (job.state === "failed") {
        j.note.textContent = job.error;
        j.note.classList.add("bad");
        const close = make("button", { textContent: "Close" });
        close.onclick = () => j.row.remove();
        j.row.lastChild.replaceWith(close);
    } else j.row.remove();
}
const timers = new Map();
async function poll(id) {
    clearTimeout(timers.get(id));
    const j = jobs.get(id);
    if (!j) return;
    try {
        update(await json("GET", `/jobs/${id}?made=${j.shown}`));
        $("problem").textContent = "";
    } catch (e) { $("problem").textContent = e.message; }
    if (jobs.has(id)) timers.set(id, setTimeout(() => poll(id), jobs.get(id).job.state === "drawing" ? 300 : 1500));
}

/* ---- pictures ---- */

const pictures = []; /* as they are shown, the newest first */
function addCell(p, first) {
    if (pictures.some((o) => o.file === p.file)) return;
    const words = p.settings?.options?.prompt || p.file, img = make("img", { alt: words, loading: "lazy" });
    const cell = make("button", { className: "cell checks", title: words, type: "button" }, img);
    p.cell = cell;
    cell.onclick = () => open(p);
    show(img, "/pictures/" + p.file);
    if (first) {
        pictures.unshift(p);
        $("gallery").prepend(cell);
    } else {
        pictures.push(p);
        $("gallery").append(cell);
    }
    $("none").hidden = true;
}
async function load(before) {
    const r = await json("GET", "/pictures?limit=48" + (before ? "&before=" + encodeURIComponent(before) : ""));
    for (const p of r.pictures) addCell(p, false);
    $("older").hidden = !r.more;
    $("none").hidden = pictures.length > 0;
}
$("older").onclick = () => load(pictures.at(-1)?.file).catch((e) => toast(e.message));

let current = null, other = null;
function open(p) {
    current = p;
    const o = p.settings?.options || {};
    $("picture").alt = o.prompt || p.file;
    show($("picture"), "/pictures/" + p.file);
    $("words").textContent = o.prompt || "";
    $("notes").textContent = (p.words || []).join(" ");
    $("settings").replaceChildren(...Object.entries({ model: p.settings?.model?.name, ...o, file: p.file })
        .filter(([k, v]) => k !== "prompt" && v !== undefined && v !== "").map(([k, v]) => make("tr", {}, make("th", { textContent: k.replaceAll("_", " "), scope: "row" }), make("td", { textContent: String(v) }))));
    $("save").href = $("picture").src;
    address("/pictures/" + p.file).then((a) => { $("save").href = a; });
    $("save").download = p.file;
    $("compare").textContent = other && other !== p ? "Compare with the other" : "Compare";
    if (!$("large").open) $("large").showModal();
}
/* What was sent as a picture is not in the settings but by its name here: such a job begins with the result. */
function jobOf(p) {
    const job = fieldsOf(p.settings);
    for (const k of Object.keys(job)) if (/init_image|mask|sha256|^lora$|control|^vae$|^unet$|tokenizer|latents|_dir$/.test(k) || job[k] === "") delete job[k];
    return job;
}
$("again").onclick = async () => { if (await send(jobOf(current))) $("large").close(); };
$("like").onclick = async () => {
    const job = jobOf(current);
    job.seed = String(Math.floor(Math.random() * 2 ** 32));
    if (await send(job)) $("large").close();
};
$("take").onclick = () => { fill(fieldsOf(current.settings)); $("large").close(); toast("Its settings are in the form"); };
$("edit").onclick = async () => {
    const r = await call("GET", "/pictures/" + current.file);
    fill({ ...fieldsOf(current.settings), seed: "" });
    setStart(await asData(await r.blob()));
    $("large").close();
};
$("compare").onclick = () => {
    if (!other || other === current) {
        other = current;
        $("large").close();
        toast("Now open the picture to compare it with");
        return;
    }
    $("large").close();
    show($("left"), "/pictures/" + other.file);
    show($("right"), "/pictures/" + current.file);
    other = null;
    slide();
    $("two").showModal();
};
const slide = () => { $("right").style.clipPath = `inset(0 0 0 ${$("slider").value}%)`; };
$("slider").addEventListener("input", slide);
$("remove").onclick = async () => {
    if (!confirm("Delete " + current.file + "?")) return;
    try {
        await call("DELETE", "/pictures/" + current.file);
        current.cell.remove();
        pictures.splice(pictures.indexOf(current), 1);
        $("large").close();
    } catch (e) { toast(e.message); }
};
$("close").onclick = () => $("large").close();
$("large").addEventListener("keydown", (e) => {
    const by = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0, next = pictures[pictures.indexOf(current) + by];
    if (by && next) open(next);
});

/* ---- light or dark ---- */

const root = document.documentElement;
if (store.get("theme")) root.dataset.theme = store.get("theme");
$("theme").onclick = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    store.set("theme", root.dataset.theme);
};

/* ---- the beginning ---- */

(async () => {
    try {
        const a = await json("GET", "/about");
        $("version").textContent = a.version;
        $("model").append(...a.models.map((m) => make("option", { value: m, textContent: m })));
        $("sampler").append(...a.samplers.map((m) => make("option", { value: m, textContent: m })));
        $("schedule").append(...a.schedules.map((m) => make("option", { value: m, textContent: m })));
        const form = JSON.parse(store.get("form") || "{}");
        fill(form);
        if (form.strength) $("strength").value = form.strength;
        $("more").open = form.more === true;
        await load();
        for (const job of await json("GET", "/jobs")) if (job.state === "queued" || job.state === "drawing") watch(job);
        document.body.dataset.ready = "yes";
    } catch (e) { $("problem").textContent = e.message; }
})();
})();
