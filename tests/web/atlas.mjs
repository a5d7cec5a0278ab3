/*
 * atlas.mjs BUILD FOLDER CHROMIUM - limn's sprite atlases, loaded by Phaser and by PixiJS as their users load them: every frame has
 * the pixels of the picture it was made from, on one page and on several.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { chromium } from "playwright-core";

const [build, folder, executablePath] = process.argv.slice(2);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const limn = (...args) => execFileSync(build + "/limn", args, { cwd: folder }).toString();

limn("a red gem", "-q", "-s", "3", "-W", "64", "-H", "64", "-c", "7", "--seed", "1", "--transparent", "--atlas", "one.json", "--atlas-pot");
assert.ok(Object.values(JSON.parse(readFileSync(folder + "/one.json")).frames).some((f) => f.trimmed));
const opaque = limn("a red gem", "-q", "-s", "3", "-W", "64", "-H", "64", "-c", "6", "--seed", "1", "-o", "o-{index}.png", "--atlas", "many.png", "--atlas-size", "140");
assert.match(opaque, /many-1\.json/);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"] });
const page = await browser.newPage(), wrong = [];
page.on("pageerror", (e) => wrong.push(String(e)));
const served = { "/phaser.js": "node_modules/phaser/dist/phaser.min.js", "/pixi.js": "node_modules/pixi.js/dist/pixi.min.js" };
await page.route("http://atlas.test/**", (route) => {
    const path = new URL(route.request().url()).pathname, file = served[path] || folder + path;
    if (path === "/") return route.fulfill({ contentType: "text/html", body: '<script src="/phaser.js"></script><script src="/pixi.js"></script>' });
    return existsSync(file) ? route.fulfill({ body: readFileSync(file), contentType: path.endsWith(".js") ? "text/javascript" : path.endsWith(".json") ? "application/json" : "image/png" }) : route.fulfill({ status: 404 });
});
await page.goto("http://atlas.test/");

/* In the page: a picture's RGBA by its name; the largest difference of two, colours counting as far as they can be seen. */
await page.evaluate(() => {
    window.original = async (name) => {
        const image = new Image();
        image.src = "/" + name;
        await image.decode();
        const c = new OffscreenCanvas(image.width, image.height).getContext("2d", { willReadFrequently: true });
        c.drawImage(image, 0, 0);
        return c.getImageData(0, 0, image.width, image.height);
    };
    window.difference = (a, b, premultiplied) => {
        let most = 0;
        for (let i = 0; i < a.length; i += 4) {
            most = Math.max(most, Math.abs(a[i + 3] - b[i + 3]));
            for (let c = 0; c < 3; c++) most = Math.max(most, Math.abs(a[i + c] * (premultiplied ? 1 : a[i + 3] / 255) - b[i + c] * b[i + 3] / 255));
        }
        return most;
    };
});

/* Phaser: each page by this.load.atlas(), each frame drawn by its own renderer's rules (trim, crop) into a texture. */
const phaser = (names) => page.evaluate(async (names) => {
    const game = new Phaser.Game({ type: Phaser.CANVAS, width: 64, height: 64, banner: false, audio: { noAudio: true }, scene: {
        preload() { for (const n of names) this.load.atlas(n, n + ".png", n + ".json"); },
        create() { window.ready(this); },
    } });
    const scene = await new Promise((resolve) => { window.ready = resolve; });
    const found = {};
    for (const atlas of names) for (const name of scene.textures.get(atlas).getFrameNames()) {
        const frame = scene.textures.getFrame(atlas, name), texture = scene.textures.createCanvas("x" + atlas + name, frame.realWidth, frame.realHeight);
        texture.drawFrame(atlas, name, frame.x, frame.y);
        const own = await original(name);
        found[name] = { size: [frame.realWidth, frame.realHeight], difference: difference(texture.getContext().getImageData(0, 0, frame.realWidth, frame.realHeight).data, own.data) };
    }
    game.destroy(true);
    return found;
}, names);

/* PixiJS: the first page by Assets.load(); it brings the others. Drawn by WebGL. */
const pixi = (name) => page.evaluate(async (name) => {
    const renderer = await PIXI.autoDetectRenderer({ preference: "webgl", width: 64, height: 64, antialias: false });
    const sheet = await PIXI.Assets.load("/" + name + ".json"), found = {};
    const textures = Object.assign({}, sheet.textures, ...(sheet.linkedSheets || []).map((s) => s.textures));
    for (const [frame, texture] of Object.entries(textures)) {
        const sprite = new PIXI.Sprite(texture), own = await original(frame);
        const out = renderer.extract.pixels({ target: sprite, frame: new PIXI.Rectangle(0, 0, texture.orig.width, texture.orig.height) });
        found[frame] = { size: [texture.orig.width, texture.orig.height], difference: difference(out.pixels, own.data, true) };
    }
    renderer.destroy();
    return found;
}, name);

const pages = readdirSync(folder).filter((f) => /^many.*json$/.test(f)).map((f) => f.replace(".json", "")).sort();
for (const [what, found, count] of [["Phaser, one page", await phaser(["one"]), 7], ["Phaser, each page", await phaser(pages), 6], ["PixiJS, one page", await pixi("one"), 7], ["PixiJS, pages found by the first", await pixi("many"), 6]]) {
    const frames = Object.entries(found), most = Math.max(...frames.map(([, f]) => f.difference));
    assert.equal(frames.length, count, what + ": " + Object.keys(found));
    for (const [name, f] of frames) assert.deepEqual(f.size, [64, 64], name);
    assert.ok(most <= 2, `${what}: pixels differ by ${most} of 255`); /* they multiply by alpha in 8 bits */
    console.log(`ok   ${what}: ${count} frames, at most ${most.toFixed(2)} of 255 from the pictures`);
}
assert.deepEqual(wrong, []);
await browser.close();
