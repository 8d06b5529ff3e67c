// Streams, goes on, cancels and fails as programs do that use @gradio/client; the app's address is the argument.
import assert from "node:assert/strict";
import { Client } from "@gradio/client";

const [url] = process.argv.slice(2);
const app = await Client.connect(url, { events: ["data", "status"] });
const asked = { message: "What is ZeroGPU?", temperature: 0 };

const texts = [];
for await (const { type, data } of app.submit("/chat", asked)) if (type === "data") texts.push(data[0]);
assert(texts.length > 3 && texts.every((text, index) => text.startsWith(texts[index - 1] ?? "")));
assert.deepEqual((await app.predict("/chat", asked)).data, texts.slice(-1));

const history = [{ role: "user", content: asked.message }, { role: "assistant", content: texts.at(-1) }];
assert.match((await app.predict("/chat", { message: "And Docker?", temperature: 0, history })).data[0], /Docker/);

const job = app.submit("/chat", { message: "Count to two hundred", temperature: 0 });
for await (const { type } of job) if (type === "data") break;
await job.cancel(); // its last event has no values, of which the client complains on the console
const until = Date.now() + 5000;
let busy;
do busy = (await (await fetch(`${url}/health`)).json()).writing;
while (busy && Date.now() < until);
assert.equal(busy, 0);

const message = "temperature: expected a number from 0 to 1.5, got 9";
await assert.rejects(app.predict("/chat", { ...asked, temperature: 9 }), { message });
process.exit(0);
