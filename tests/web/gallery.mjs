/*
 * gallery.mjs BUILD FOLDER CHROMIUM - the gallery of a batch in headless Chromium: that it shows, finds, sorts and copies what the
 * manifest says, without an error, at widths from 360 to 1920, and that ten thousand pictures scroll. FOLDER takes what is made,
 * screenshots among it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, statSync } from "node:fs";
import { chromium } from "playwright-core";

const [build, folder, executablePath] = process.argv.slice(2), galleryOf = build + "/tests/web/gallery_of", limn = build + "/limn";
const COLOURS = ["red", "blue", "green"], THINGS = ["potion", "gem", "key", "star"], HOSTILE = "it's \"a\" </script><b>fish</b> $HOME `x` -- \u6c34 <!-- \u0003\u001b[201~\u202e.";

/* ---- pictures and manifests ---- */

function manifest(name, count, file) {
    const lines = [];
    for (let i = 0; i < count; i++) {
        const colour = COLOURS[i % 3], thing = THINGS[(i / 3 | 0) % 4], failed = i % 31 === 17;
        lines.push(JSON.stringify({
            file: file(i), status: failed ? "failed" : "done", ...(failed ? { error: "not enough memory" } : {}), seconds: (i * 7 % 100) / 100,
            bytes: 9000 + i, sha256: "0".repeat(64), job: {
                id: "item" + i, prompt: i === 5 ? HOSTILE : `a ${colour} ${thing}`, negative_prompt: i % 2 ? "blurry, dark" : "", colour, seed: 1000 + i,
                steps: [1, 2, 4][i % 3], width: 32, height: 32, sampler: "euler", transparent: true, model: "sprites",
            },
        }));
    }
    mkdirSync(`${folder}/${name}`, { recursive: true });
    execFileSync(galleryOf, [`${folder}/${name}`, name], { input: lines.join("\n") + "\n" });
    return lines.map((line) => JSON.parse(line));
}

rmSync(folder, { recursive: true, force: true });
const small = manifest("small", 60, (i) => `p ${i}#.png`);
const many = manifest("many", 10000, (i) => `${i / 1000 | 0}/${i}.png`);
const drawn = COLOURS.map((c, i) => execFileSync(limn, [`a ${c} potion`, "-q", "-W", "32", "-H", "32", "-s", "1", "--seed", String(i), "-o", `${folder}/${c}.png`]).toString().trim());
small.forEach((p, i) => p.status === "done" && copyFileSync(drawn[i % 3], `${folder}/small/${p.file}`));
for (let i = 0; i < 10; i++) mkdirSync(`${folder}/many/${i}`);
many.forEach((p, i) => i % 20 === 0 && copyFileSync(drawn[i % 3], `${folder}/many/${p.file}`));
many.forEach((p, i) => i % 20 && p.status === "done" && copyFileSync(drawn[i % 3], `${folder}/many/${p.file}`));

/* ---- the browser ---- */

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const wrong = [];
async function page(name, { width = 1280, height = 800, scheme = "light", hash = "" } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, permissions: ["clipboard-read", "clipboard-write"] });
    const p = await context.newPage();
    p.setDefaultTimeout(8000);
    p.on("console", (m) => ["error", "warning"].includes(m.type()) && wrong.push(m.text()));
    p.on("pageerror", (e) => wrong.push(String(e)));
    p.on("request", (r) => /^(file|data):/.test(r.url()) || wrong.push("network: " + r.url()));
    await p.goto(`file://${folder}/${name}/index.html${hash}`);
    await p.waitForSelector(".cell");
    return p;
}
const count = (p) => p.textContent("#count");
const prompts = (p) => p.$$eval(".cell", (cells) => cells.map((c) => [Number(c.dataset.i), c.title]).sort((a, b) => a[0] - b[0]).map((c) => c[1]));
const clipboard = (p) => p.evaluate(() => navigator.clipboard.readText());
let done = 0;
async function test(name, f) {
    await f();
    done++;
    console.log(`ok   ${name}`);
}

await test("all pictures are counted and the first are loaded", async () => {
    const p = await page("small");
    assert.equal(await count(p), "60 pictures");
    await p.waitForFunction(() => [...document.querySelectorAll(".cell img")].every((i) => i.complete && i.naturalWidth === 32));
    assert.equal(await p.$$eval(".cell .why", (e) => e.every((x) => x.textContent === "not enough memory")), true);
    assert.equal((await prompts(p))[5], HOSTILE, "a prompt is shown as it is");
    assert.equal(await p.$("b"), null, "and is not HTML");
});

await test("search, filters and their counts", async () => {
    const p = await page("small");
    await p.fill("#search", "RED potion");
    await p.waitForFunction(() => document.getElementById("count").textContent === "5 of 60");
    assert.ok((await prompts(p)).every((t) => t === "a red potion"));
    await p.click("#chosen button");
    assert.equal(await count(p), "60 pictures");
    const box = (field, value) => p.locator(".facet", { has: p.locator(`summary span:text-is("${field}")`) }).locator("label", { hasText: value });
    assert.equal(await box("colour", "blue").locator("span").last().textContent(), "20");
    await box("colour", "blue").click();
    assert.equal(await count(p), "20 of 60");
    await box("colour", "green").click();
    assert.equal(await count(p), "40 of 60", "values of one field add up");
    await box("steps", "4").click();
    assert.equal(await count(p), "20 of 60", "fields narrow");
    assert.equal(await box("colour", "red").locator("span").last().textContent(), "0", "a count is what a click would add");
    const address = p.url();
    assert.match(address, /f\.colour=blue&f\.colour=green&f\.steps=4/);
    const again = await page("small", { hash: address.slice(address.indexOf("#")) });
    assert.equal(await count(again), "20 of 60", "the address keeps it");
    await p.locator(".facet", { has: p.locator('summary span:text-is("seed")') }).locator("summary").click();
    await p.getByLabel("seed from").fill("1030");
    await p.getByLabel("seed to").fill("1040");
    await p.waitForFunction(() => document.getElementById("count").textContent === "3 of 60");
    await p.click("text=Clear all");
    assert.equal(await count(p), "60 pictures");
    await p.fill("#search", "no such thing");
    await p.waitForSelector("#none:not([hidden])");
});

await test("sorting", async () => {
    const p = await page("small");
    await p.selectOption("#sort", "seconds");
    await p.click("#order");
    const first = await p.getAttribute("#cell0", "title");
    const most = small.reduce((a, b) => b.seconds > a.seconds ? b : a);
    assert.equal(first, most.job.prompt);
    assert.equal(await p.textContent("#cell0 .quiet"), "seconds " + most.seconds);
});

await test("the command that is copied draws the picture", async () => {
    const p = await page("small");
    await p.click("#cell5");
    await p.click("#copy");
    const text = await clipboard(p);
    assert.equal(text, await p.textContent("#command"));
    const words = execFileSync("sh", ["-c", `limn() { printf '%s\\n' "$@"; }; ${text}`]).toString().trim().split("\n");
    assert.deepEqual(words.slice(0, 2), ["generate", HOSTILE], "quoted for a shell");
    const out = `${folder}/copied.png`;
    execFileSync("sh", ["-c", `limn() { "$LIMN" "$@"; }; ${text} -q -o "$OUT"`], { env: { ...process.env, LIMN: limn, OUT: out } });
    const made = JSON.parse(execFileSync(limn, ["info", "--json", out]).toString());
    assert.equal(JSON.stringify(made).includes('"seed":1005'), true);
    assert.equal(JSON.stringify(made).includes('"negative_prompt":"blurry, dark"'), true);
    await p.click("#copyagain");
    assert.equal(await clipboard(p), "limn again 'p 5#.png'");
});

await test("keys", async () => {
    const p = await page("small");
    await p.keyboard.press("ArrowRight");
    await p.keyboard.press("ArrowDown");
    const columns = await p.evaluate(() => { const tops = [...document.querySelectorAll(".cell")].map((c) => c.getBoundingClientRect().top); return tops.filter((t) => t === tops[0]).length; });
    assert.equal(await p.getAttribute('.cell[aria-selected="true"]', "data-i"), String(1 + columns));
    await p.keyboard.press("Enter");
    await p.waitForSelector("#large[open]");
    await p.keyboard.press("ArrowRight");
    assert.equal(await p.textContent("#place"), `${3 + columns} of 60`);
    await p.keyboard.press("c");
    assert.match(await clipboard(p), new RegExp(`--seed ${1002 + columns}`));
    await p.keyboard.press("Escape");
    await p.waitForSelector("#large:not([open])", { state: "attached" });
    await p.keyboard.press("End");
    assert.equal(await p.getAttribute('.cell[aria-selected="true"]', "data-i"), "59");
    await p.keyboard.press("/");
    await p.keyboard.type("gem c/b");
    assert.equal(await p.inputValue("#search"), "gem c/b", "letters typed are no commands");
});

await test("light and dark, 360 to 1920 pixels wide: nothing overflows", async () => {
    for (const scheme of ["light", "dark"]) for (const width of [360, 600, 768, 1024, 1440, 1920]) {
        const p = await page("small", { width, scheme });
        await p.waitForFunction(() => [...document.querySelectorAll(".cell img")].every((i) => i.complete));
        const fits = () => p.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll(".bar > *, .chosen")].every((e) => { const r = e.getBoundingClientRect(); return r.right <= innerWidth + 1 && r.left >= 0; }));
        assert.ok(await fits(), `${width} ${scheme}`);
        const dark = await p.evaluate(() => getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g).every((c) => c < 60));
        assert.equal(dark, scheme === "dark");
        await p.screenshot({ path: `${folder}/${scheme}-${width}.png` });
        await p.click("#cell1");
        assert.ok(await p.evaluate(() => [...document.querySelectorAll("#large button:not([disabled])")].every((e) => { const r = e.getBoundingClientRect(); return r.width === 0 || (r.right <= innerWidth && r.left >= 0); })));
        await p.screenshot({ path: `${folder}/${scheme}-${width}-large.png` });
        await p.context().close();
    }
});

await test("ten thousand pictures: a few cells, a quick start, frames in time", async () => {
    const start = Date.now(), p = await page("many");
    const took = Date.now() - start;
    assert.ok(took < 5000, `${took} ms to the first cell`);
    const frames = await p.evaluate(async () => {
        const times = [], end = document.documentElement.scrollHeight - innerHeight;
        let last = performance.now(), y = 0, most = 0;
        while (times.length < 120) {
            y += 180 + (times.length % 10 === 0 ? end / 12 : 0); /* a wheel, and now and then a leap */
            scrollTo(0, y % end);
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            times.push(now - last);
            last = now;
            most = Math.max(most, document.querySelectorAll(".cell").length);
        }
        times.sort((a, b) => a - b);
        return { middle: times[60], late: times[114], most };
    });
    console.log(`     first cell after ${took} ms; frame ${frames.middle.toFixed(1)} ms, 95 % within ${frames.late.toFixed(1)} ms, ${frames.most} cells at most`);
    assert.ok(frames.most < 150, `${frames.most} cells`);
    assert.ok(frames.middle < 60, `a frame takes ${frames.middle} ms`);
    const typed = await p.evaluate(async () => {
        const s = document.getElementById("search"), t = performance.now();
        s.value = "green";
        s.dispatchEvent(new Event("input"));
        while (!document.getElementById("count").textContent.includes("of")) await new Promise((r) => setTimeout(r, 5));
        return performance.now() - t;
    });
    console.log(`     a search takes ${typed.toFixed(0)} ms`);
    assert.ok(typed < 1000, `${typed} ms to search`);
    await p.keyboard.press("Escape");
});

await browser.close();
assert.deepEqual(wrong.filter((w) => !/ERR_FILE_NOT_FOUND/.test(w)), [], "the console has no errors");
assert.equal(wrong.length, 0, wrong.join("\n"));
console.log(`${done} passed; the page of ${many.length} has ${(statSync(`${folder}/many/index.html`).size / 1e6).toFixed(1)} MB; screenshots in ${folder}`);
