/* openai.mjs URL KEY - limn serve, asked by npm's openai. */
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const [url, apiKey] = process.argv.slice(2), client = new OpenAI({ baseURL: url + "/v1", apiKey });
const small = { prompt: "a red potion", size: "32x32", seed: 7, steps: 1 };
const first = await client.images.generate({ ...small, response_format: "b64_json" });
const png = Buffer.from(first.data[0].b64_json, "base64");
assert.equal(png.subarray(1, 4).toString(), "PNG");
const stream = await client.images.generate({ ...small, stream: true });
let last;
for await (const event of stream) last = event;
assert.equal(last.type, "image_generation.completed");
assert.ok(Buffer.from(last.b64_json, "base64").equals(png));
const kinds = [];
for await (const event of await client.images.generate({ ...small, size: "64x64", steps: 24, stream: true, partial_images: 2 })) kinds.push(event.type);
assert.equal(kinds.pop(), "image_generation.completed");
assert.ok(kinds.length >= 1 && kinds.length <= 2 && kinds.every((k) => k === "image_generation.partial_image"), kinds);
assert.equal((await client.models.retrieve("sprites")).id, "sprites");
const edited = await client.images.edit({ image: await toFile(png, "x.png", { type: "image/png" }), prompt: "a key", steps: 4 });
assert.ok(edited.data[0].b64_json);
await assert.rejects(client.images.generate({ ...small, size: "33x33" }), (e) => e.status === 400 && e.message.length > 5);
const ids = [];
for await (const m of client.models.list()) ids.push(m.id);
assert.deepEqual(ids, ["sprites"]);
console.log("ok   openai for node");
