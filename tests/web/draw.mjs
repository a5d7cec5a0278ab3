/*
 * draw.mjs BUILD FOLDER CHROMIUM - the page of limn serve in headless Chromium, as a person uses it: draw, see the preview, cancel, reload
 * in the middle, look at a picture, again, more like this, paint a mask, drop a PNG, compare, delete; from 360 to 1920 pixels, in light and
 * dark, by keyboard; without an error on the console or a request that leaves the server, and without serious findings of axe.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readdirSync, rmSync, mkdirSync, writeFileSync, chmodSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [build, folder, executablePath] = process.argv.slice(2), limn = build + "/limn";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });

async function serve(...args) {
    const p = spawn(limn, ["serve", "--port", "0", ...args], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    const url = await new Promise((done, fail) => { p.stdout.once("data", (d) => done(String(d).trim())); p.once("exit", (code) => fail(new Error("limn serve: " + code))); });
    return { url, end: () => new Promise((done) => { p.removeAllListeners("exit"); p.once("exit", done); p.kill("SIGTERM"); }) };
}

const server = await serve("-o", "pictures"), wrong = [];
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
async function page({ width = 1280, height = 800, scheme = "light", url = server.url, context } = {}) {
    context ||= await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    const p = await context.newPage();
    p.setDefaultTimeout(30000);
    p.on("console", (m) => ["error", "warning"].includes(m.type()) && wrong.push(m.text()));
    p.on("pageerror", (e) => wrong.push(String(e)));
    p.on("request", (r) => /^(data|blob):/.test(r.url()) || r.url().startsWith(url) || wrong.push("network: " + r.url()));
    p.on("dialog", (d) => d.accept());
    await p.goto(url);
    await p.waitForSelector("body[data-ready]");
    return p;
}
const cells = (p) => p.locator(".cell").count();
const drawn = (p, n) => p.waitForFunction((n) => document.querySelectorAll(".cell").length === n, n);
let done = 0;
async function test(name, run) {
    try { await run(); } catch (e) { console.error(`FAIL ${name}\n${e.stack}`); process.exitCode = 1; return; }
    assert.deepEqual(wrong.splice(0), [], name);
    console.log(`ok   ${name}`);
    done++;
}

const p = await page();
const small = async () => { for (const [k, v] of Object.entries({ width: "64", height: "64", steps: "2" })) await p.fill("#" + k, v); };

await test("draws", async () => {
    assert.equal(await p.isVisible("#none"), true);
    await p.fill("#prompt", "a red potion");
    await small();
    await p.fill("#seed", "7");
    await p.press("#prompt", "Control+Enter");
    await drawn(p, 1);
    assert.deepEqual(readdirSync(folder + "/pictures").filter((f) => f.endsWith(".png")), ["limn-00001.png"]);
    await p.waitForFunction(() => document.querySelector(".cell img").naturalWidth === 64);
});

await test("shows a preview, and cancels", async () => {
    await p.fill("#steps", "150");
    for (const k of ["width", "height"]) await p.fill("#" + k, "256");
    await p.click("#draw");
    await p.waitForFunction(() => document.querySelector(".job img")?.naturalWidth === 256);
    assert.match(await p.textContent(".job .note"), /step \d+ of 150/);
    await p.reload();
    await p.waitForSelector(".job");
    assert.equal(await p.inputValue("#prompt"), "a red potion");
    assert.equal(await p.inputValue("#steps"), "150");
    await p.click(".job button");
    await p.waitForFunction(() => !document.querySelector(".job"));
    assert.equal(await cells(p), 1);
});

await test("again and more like this", async () => {
    await p.click(".cell");
    assert.match(await p.textContent("#settings"), /seed7/);
    await p.click("#again");
    await drawn(p, 2);
    const bytes = (i) => readFileSync(`${folder}/pictures/limn-0000${i}.png`);
    assert.ok(bytes(1).equals(bytes(2)));
    await p.click(".cell");
    await p.click("#like");
    await drawn(p, 3);
    assert.ok(!bytes(1).equals(bytes(3)));
});

await test("paints what is drawn anew", async () => {
    await p.locator(".cell").last().click();
    await p.click("#edit");
    await p.waitForFunction(() => document.querySelector("#mask").width === 64);
    await p.fill("#prompt", "a key");
    await p.fill("#steps", "4");
    const box = await p.locator("#mask").boundingBox();
    await p.mouse.move(box.x + 20, box.y + 20);
    await p.mouse.down();
    await p.mouse.move(box.x + box.width / 2, box.y + 30);
    await p.mouse.up();
    await p.screenshot({ path: folder + "/paint.png" });
    await p.click("#draw");
    await drawn(p, 4);
    const o = JSON.parse(execFileSync(limn, ["info", "--json", `${folder}/pictures/limn-00004.png`])).settings.options;
    assert.ok(o.mask && o.init_image && o.prompt === "a key" && o.strength === .75, JSON.stringify(o));
    await p.click("#nostart");
});

await test("takes the settings of a PNG that is dropped", async () => {
    const png = execFileSync(limn, ["a blue gem", "-q", "-W", "32", "-H", "32", "-s", "3", "--seed", "99", "--sampler", "heun", "-o", "-"], { maxBuffer: 1 << 24 });
    const drop = async (bytes, name, type) => {
        const transfer = await p.evaluateHandle(([b, name, type]) => {
            const t = new DataTransfer();
            t.items.add(new File([Uint8Array.from(b)], name, { type }));
            return t;
        }, [[...bytes], name, type]);
        await p.dispatchEvent("body", "drop", { dataTransfer: transfer });
    };
    await drop(png, "x.png", "image/png");
    await p.waitForFunction(() => document.querySelector("#prompt").value === "a blue gem");
    assert.deepEqual(await p.evaluate(() => ["seed", "steps", "sampler", "width"].map((i) => document.getElementById(i).value)), ["99", "3", "heun", "32"]);
    await drop(Buffer.from("hello"), "x.txt", "text/plain");
    await p.waitForFunction(() => document.querySelector("#toast").textContent.includes("expected"));
});

await test("says what is wrong", async () => {
    await p.fill("#width", "72"); /* the model takes multiples of 16 */
    await p.evaluate(() => { document.getElementById("form").noValidate = true; });
    await p.fill("#steps", "5000");
    await p.click("#draw");
    await p.waitForFunction(() => document.querySelector("#problem").textContent.includes("steps"));
    wrong.splice(0); /* the browser says of itself that an answer was 400 */
    await small();
});

await test("compares, deletes, keeps to words as words", async () => {
    await p.fill("#prompt", "<b id=bad>potion</b> </script>");
    await p.click("#draw");
    await drawn(p, 5);
    assert.equal(await p.locator("#bad").count(), 0);
    await p.locator(".cell").nth(0).click();
    await p.click("#compare");
    await p.locator(".cell").nth(1).click();
    await p.click("#compare");
    await p.locator("#slider").fill("20");
    assert.match(await p.evaluate(() => document.querySelector("#right").style.clipPath), /20%/);
    await p.keyboard.press("Escape");
    await p.locator(".cell").nth(0).click();
    await p.keyboard.press("ArrowRight");
    await p.keyboard.press("ArrowLeft");
    await p.click("#remove");
    await drawn(p, 4);
});

await test("at every width, light and dark, without findings", async () => {
    for (const width of [360, 768, 1280, 1920]) for (const scheme of ["light", "dark"]) {
        const q = await page({ width, scheme });
        const wide = await q.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${width}: ${wide} pixels too wide`);
        await q.waitForFunction(() => [...document.querySelectorAll(".cell img")].every((i) => i.complete));
        await q.screenshot({ path: `${folder}/page-${width}-${scheme}.png` });
        await q.evaluate(axe);
        const look = async (what) => {
            const r = await q.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
            const bad = r.violations.filter((v) => ["serious", "critical"].includes(v.impact));
            assert.deepEqual(bad.map((v) => `${what} ${width} ${scheme}: ${v.id} ${v.nodes[0].html}`), []);
        };
        await look("page");
        await q.click(".cell");
        await q.screenshot({ path: `${folder}/large-${width}-${scheme}.png` });
        await look("picture");
        await q.context().close();
    }
});

await test("asks for a key", async () => {
    writeFileSync(folder + "/key", "correct-horse\n");
    chmodSync(folder + "/key", 0o600);
    const s = await serve("--api-key-file", "key", "-o", "locked");
    const context = await browser.newContext(), q = await context.newPage();
    await q.goto(s.url);
    await q.waitForSelector("#ask[open]");
    await q.fill("#key", "correct-horse");
    await q.keyboard.press("Enter");
    await q.waitForSelector("body[data-ready]");
    await q.fill("#prompt", "a key");
    for (const [k, v] of Object.entries({ width: "32", height: "32", steps: "1" })) await q.fill("#" + k, v);
    await q.click("#draw");
    await q.waitForFunction(() => document.querySelector(".cell img")?.naturalWidth === 32);
    await context.close();
    await s.end();
});

await browser.close();
await server.end();
console.log(`${done} passed`);
