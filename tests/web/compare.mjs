/*
 * compare.mjs BUILD FOLDER CHROMIUM - the report of limn compare in headless Chromium: that it shows, sorts, slides and differs
 * without an error and without the network, by day and by night, at widths from 360 to 1920. FOLDER takes what is made,
 * screenshots among it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [build, folder, executablePath] = process.argv.slice(2), limn = build + "/limn";
const HOSTILE = "a red potion, it's \"a\" </script><script>alert(1)</script><b>fish</b> & \u6c34 <!--";

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
function run(...args) {
    try { return execFileSync(limn, ["compare", ...args]).toString(); } catch (e) { assert.equal(e.status, 1, String(e)); return e.stdout.toString(); }
}
const tiny = ["-W", "64", "-H", "64"];
run(HOSTILE, ...tiny, "--samplers", "euler,heun,dpmpp_2m,euler_ancestral", "--schedules", "karras,trailing", "--steps", "2,4,8", "-o", `${folder}/cells`);
run("a gem", ...tiny, "--schedule", "model", "--axis", "steps=2,60", "--axis", "sampler=lcm,euler", "-o", `${folder}/failed`); // lcm has no 60 steps
writeFileSync(`${folder}/prompts.txt`, "a red potion\na blue key\n");
run("--prompts", `${folder}/prompts.txt`, "-W", "32", "-H", "32", "--samplers", "euler", "--steps", "2,4", "--seeds", "2", "-o", `${folder}/prompts`);
const pngs = JSON.parse(readFileSync(`${folder}/cells/compare.json`)).cells.slice(0, 3).map((c) => `${folder}/cells/${c.file}`);
run(...pngs, "-o", `${folder}/pictures`);
for (const [seed, name] of [[1, "a"], [2, "b"]])
    execFileSync(limn, ["generate", "a red potion", "-s", "6", "--seed", String(seed), "--transparent", "-q", "-o", `${folder}/${name}.png`]);
run(`${folder}/a.png`, `${folder}/b.png`, "-o", `${folder}/clear`);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
let page, noise;

async function open(name, options = {}) {
    if (page) await page.context().close();
    const context = await browser.newContext({ viewport: { width: 1240, height: 900 }, ...options });
    page = await context.newPage();
    noise = [];
    page.on("console", (m) => ["error", "warning"].includes(m.type()) && noise.push(m.text()));
    page.on("pageerror", (e) => noise.push(String(e)));
    page.on("dialog", (d) => { noise.push(`dialog: ${d.message()}`); d.dismiss(); });
    page.on("request", (r) => /^(file|data|blob):/.test(r.url()) || noise.push(`request: ${r.url()}`));
    await context.setOffline(true);
    await page.goto(`file://${folder}/${name}/report.html`);
    await page.waitForSelector("#sheet img");
    await page.waitForFunction(() => [...document.querySelectorAll("#sheet img")].every((i) => i.complete && i.naturalWidth));
}
const quiet = () => assert.deepEqual(noise, []);
const column = (key) => page.$$eval("#table tbody tr", (rows, at) => rows.map((r) => r.cells[at].textContent),
    ["sampler", "schedule", "steps", "seed", "evaluations", "latent_rmse", "psnr", "ssim", "flip", "flip_worst", "spectrum", "own", "seconds", "peak_mb"].indexOf(key));
const sortBy = (key) => page.click(`#table th[data-key="${key}"] button`);
const ofPixels = (selector) => page.$eval(selector, (c) => {
    const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let sum = 0;
    for (let i = 0; i < d.length; i += 4) sum += d[i] + d[i + 1] + d[i + 2];
    return sum;
});

async function shows() {
    await open("cells");
    assert.equal(await page.textContent("#title"), HOSTILE);
    assert.equal(await page.title(), `${HOSTILE} - limn compare`);
    assert.match(await page.textContent("#sections"), /What to use/);
    assert.match(await page.textContent("#sections"), /Samplers that add fresh noise/);
    assert.equal(await page.$$eval("#sheet img", (a) => a.length), 3 * (6 * 3 + 6 + 2 * 3 + 1)); // three seeds: cells, converged, those of fresh noise, the model's default
    assert.ok((await page.textContent("#command")).startsWith("limn compare 'a red potion"));
    assert.equal(await page.$$eval("#error-plot .dot", (a) => a.length), 19);
    assert.equal(await page.$$eval("#error-plot .dot.default", (a) => a.length), 1);
    assert.equal(await page.$$eval("#table tr.default", (a) => a.length), 3);
    assert.equal(await page.$$eval("#error-plot path.series", (a) => a.length), 6);
    assert.equal(await page.$$eval("#seconds-plot .dot", (a) => a.length), 19);
    assert.ok(await page.$$eval("#error-plot .range", (a) => a.length) > 10, "from the least to the most of three seeds");
    for (const name of ["error", "seconds"]) assert.match(await page.textContent(`#${name}-plot`), name === "error" ? /evaluations/ : /seconds/);
    assert.equal(await page.$$eval("#spectrum-plot path.series", (a) => a.length), 6);
    const before = await page.getAttribute("#error-plot path.series", "d");
    await page.selectOption("#error-measure", "dssim");
    assert.notEqual(await page.getAttribute("#error-plot path.series", "d"), before);
    const spectrum = await page.getAttribute("#spectrum-plot path.series", "d");
    await page.selectOption("#spectrum-column", "2");
    assert.notEqual(await page.getAttribute("#spectrum-plot path.series", "d"), spectrum);
    await page.selectOption("#caption", "ssim");
    assert.match(await page.textContent("#sheet small"), /^-?\d\.\d{4}/);
    quiet();
}

async function sorts() {
    await open("cells");
    const rows = (await column("steps")).length, numbers = (v) => v.filter((x) => x !== "").map(Number);
    assert.equal(rows, 3 * (18 + 6 + 1));
    for (const key of ["psnr", "evaluations", "seconds", "latent_rmse"]) {
        await sortBy(key);
        const up = await column(key), rising = [...numbers(up)].sort((a, b) => a - b);
        assert.deepEqual(numbers(up), rising, `${key} rises`);
        await sortBy(key);
        const down = await column(key);
        assert.deepEqual(numbers(down), rising.reverse(), `${key} falls`);
        if (key === "psnr") for (const v of [up, down]) assert.ok(v.slice(-18).every((x) => x === ""), "what was not measured comes last");
        assert.equal(await page.getAttribute(`#table th[data-key="${key}"]`, "aria-sort"), "descending");
    }
    await sortBy("sampler");
    const names = await column("sampler");
    assert.deepEqual(names, [...names].sort());
    assert.equal(await page.$$eval("#table [aria-sort]", (a) => a.length), 1);
    quiet();
}

async function slides() {
    await open("cells");
    await page.click("#sheet tbody tr:nth-child(1) td:nth-of-type(1) button");
    await page.waitForSelector("#large[open] .wipe");
    const clip = () => page.$eval(".wipe .over", (e) => e.style.clipPath);
    assert.match(await clip(), /^inset\(0(px)? 50% 0(px)? 0(px)?\)$/);
    await page.$eval("#slider", (s) => { s.value = 20; s.dispatchEvent(new Event("input")); });
    assert.match(await clip(), /80%/);
    const box = await (await page.$(".wipe")).boundingBox();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.9, box.y + 30, { steps: 4 });
    await page.mouse.up();
    assert.match(await clip(), /inset\(0(px)? 10%/);
    await page.screenshot({ path: `${folder}/slider.png` });

    await page.click('[data-mode="difference"]');
    await page.waitForSelector("#view canvas");
    const weak = await ofPixels("#view canvas");
    await page.$eval("#slider", (s) => { s.value = 100; s.dispatchEvent(new Event("input")); });
    const strong = await ofPixels("#view canvas");
    assert.ok(weak > 0 && strong > weak, `${weak} ${strong}`);
    await page.screenshot({ path: `${folder}/difference.png` });

    await page.click('[data-mode="beside"]');
    await page.waitForFunction(() => document.querySelectorAll("#view figure").length === 2);
    await page.screenshot({ path: `${folder}/beside.png` });
    const title = await page.textContent("#large-title");
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction((old) => document.getElementById("large-title").textContent !== old, title);
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((old) => document.getElementById("large-title").textContent === old, title);
    await page.keyboard.press("Escape");
    assert.equal(await page.$("#large[open]"), null);

    await page.click('#table tbody tr:has-text("euler_ancestral")'); // which has no reference
    await page.waitForSelector("#large[open] #view img");
    assert.equal(await page.$$eval("#view img", (a) => a.length), 1);
    assert.match(await page.textContent("#view"), /fresh noise/);
    await page.click("#close");
    await page.click("#error-plot g:last-of-type .dot"); // the last is drawn over the others
    await page.waitForSelector("#large[open] #view figure");
    quiet();
}

async function fits() {
    for (const colorScheme of ["light", "dark"]) {
        await open("cells", { colorScheme });
        const paper = await page.$eval("html", (e) => getComputedStyle(e).backgroundColor), [r] = paper.match(/\d+/g).map(Number);
        assert.ok(colorScheme === "light" ? r > 200 : r < 60, paper);
        for (const width of [360, 414, 768, 1024, 1440, 1920]) {
            await page.setViewportSize({ width, height: 900 });
            await page.waitForTimeout(60);
            const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(over <= 0, `${width} px wide: ${over} px too many`);
            const plot = await (await page.$("#error-plot svg")).boundingBox();
            assert.ok(plot.width <= width && plot.width >= Math.min(width, 1240) * (width < 980 ? 0.75 : 0.36), `a plot of ${plot.width} px at ${width}`);
            if ([360, 1920].includes(width)) await page.screenshot({ path: `${folder}/${colorScheme}-${width}.png`, fullPage: true });
        }
        await page.setViewportSize({ width: 360, height: 740 });
        await page.click("#sheet img");
        await page.waitForSelector("#large[open] .wipe");
        const dialog = await (await page.$("#large")).boundingBox();
        assert.ok(dialog.x >= 0 && dialog.x + dialog.width <= 360);
        const tops = await page.$$eval("#previous, #next, #close", (buttons) => buttons.map((b) => b.getBoundingClientRect().top));
        assert.equal(new Set(tops).size, 1, "the arrows and the cross stand side by side");
        assert.equal(new Set(await page.$$eval("#large .modes button", (b) => b.map((x) => x.getBoundingClientRect().top))).size, 1);
        await page.screenshot({ path: `${folder}/${colorScheme}-360-large.png` });
        quiet();
    }
}

async function others() {
    await open("failed");
    assert.match(await page.textContent("#sheet .gone.bad"), /take 1 to 50/);
    assert.match(await page.textContent("#sections"), /Failed/);
    quiet();
    await open("prompts");
    assert.equal(await page.$$eval("#sheet tbody tr", (a) => a.length), 2 * 4); // euler and the default, two seeds of two prompts
    assert.equal(await page.$$eval("#sheet img", (a) => a.length), 4 * 2 + 4 + 2 * 4);
    assert.match(await page.textContent("#sections .key"), /each of 4 pictures \(2 prompts, seeds 1 to 2\)/);
    assert.deepEqual(await page.$$eval("#sheet .prompt", (a) => [...new Set(a.map((e) => e.textContent))]), ["a red potion", "a blue key"]);
    await page.screenshot({ path: `${folder}/prompts.png`, fullPage: true });
    quiet();
    await open("pictures");
    assert.equal(await page.$$eval("#sheet img", (a) => a.length), 3);
    assert.equal(await page.isVisible("#error-section"), false);
    assert.equal(await page.$$eval("#table tbody tr", (a) => a.length), 3);
    await page.click("#sheet td:nth-of-type(2) button");
    await page.waitForSelector("#large[open] .wipe");
    quiet();
    await open("clear"); // one does not show through the other, and what is clear in both differs in nothing
    await page.click("#sheet td:nth-of-type(2) button");
    await page.waitForSelector("#large[open] .wipe");
    assert.match(await page.$eval("#view .over img", (e) => getComputedStyle(e).backgroundImage), /conic-gradient/);
    await page.screenshot({ path: `${folder}/clear.png` });
    await page.click('[data-mode="difference"]');
    await page.waitForSelector("#view canvas");
    assert.deepEqual(await page.$eval("#view canvas", (c) => [...c.getContext("2d").getImageData(0, 0, 1, 1).data]), [0, 0, 0, 255]);
    assert.ok(await ofPixels("#view canvas") > 0);
    quiet();
}

for (const test of [shows, sorts, slides, fits, others]) {
    const start = Date.now();
    await test();
    console.log(`ok   compare: ${test.name.padEnd(12)} ${String(Date.now() - start).padStart(6)} ms`);
}
await browser.close();
