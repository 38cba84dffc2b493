// OpenAI's JavaScript client inside Chromium against a running server, from pages of two other origins.
// Called by the end-to-end tests: browser.mjs BASE RECORDING TEXT_FILE CHROMIUM INVITED_PORT OTHER_PORT [API_KEY].
//
// The server invites http://localhost:INVITED_PORT. With API_KEY, it asks for that key, and both pages may call.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const [base, recording, textFile, executablePath, invitedPort, otherPort, apiKey] = process.argv.slice(2);
const words = (text) => text.toLowerCase().replace(/[^a-z0-9' ]/g, " ").split(/\s+/).filter(Boolean);
const expected = words(fs.readFileSync(textFile, "utf8"));
const client = path.join(path.dirname(fileURLToPath(import.meta.url)), "node_modules/openai");

const check = (what, text) => {
  assert.deepEqual(words(text), expected, what);
  console.log("ok:", what);
};

// An empty page, and the files of OpenAI's package as the registry has them.
const serve = (port) =>
  new Promise((resolve) => {
    const server = http.createServer((request, response) => {
      const file = path.join(client, path.normalize(request.url));
      if (request.url === "/" || !file.startsWith(client) || !fs.existsSync(file)) {
        response.writeHead(request.url === "/" ? 200 : 404, { "content-type": "text/html" });
        return response.end("<!doctype html><title>app</title>");
      }
      response.writeHead(200, { "content-type": "text/javascript" });
      fs.createReadStream(file).pipe(response);
    });
    server.listen(Number(port), "localhost", () => resolve(server));
  });

// What runs in the page. Returns the error instead of the texts if the first call fails.
const inPage = async ({ base, apiKey, bytes }) => {
  const { default: OpenAI } = await import("/index.mjs");
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey, maxRetries: 0, dangerouslyAllowBrowser: true });
  const file = () => new File([new Uint8Array(bytes)], "clip.wav", { type: "audio/wav" });
  const create = (options) =>
    client.audio.transcriptions.create({ file: file(), model: "whisper-1", language: "en", ...options });

  let json;
  try {
    json = await create({});
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null };
  }
  const verbose = await create({ response_format: "verbose_json", timestamp_granularities: ["word"] });
  let streamed = "";
  for await (const event of await create({ stream: true })) {
    if (event.type === "transcript.text.delta") streamed += event.delta;
  }
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  const refused = await create({ model: "whisper-9" }).catch((error) => error.code);
  return {
    json: json.text,
    words: verbose.words.map((word) => word.word).join(" "),
    streamed,
    models,
    refused,
  };
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: 180_000 });
const call = async (port, key) => {
  const page = await browser.newPage();
  page.setDefaultTimeout(180_000);
  await page.goto(`http://localhost:${port}/`);
  const bytes = [...fs.readFileSync(recording)];
  const outcome = await page.evaluate(inPage, { base, apiKey: key, bytes });
  await page.close();
  return outcome;
};
const checkAll = (page, outcome) => {
  assert.equal(outcome.error, undefined, JSON.stringify(outcome));
  check(`${page}: json`, outcome.json);
  check(`${page}: words`, outcome.words);
  check(`${page}: stream`, outcome.streamed);
  assert.equal(outcome.models[0], "base");
  assert.equal(outcome.refused, "model_not_found");
};

const servers = await Promise.all([serve(invitedPort), serve(otherPort)]);
try {
  checkAll("invited page", await call(invitedPort, apiKey ?? "unused"));
  if (apiKey) {
    checkAll("other page with a key", await call(otherPort, apiKey));
    const outcome = await call(otherPort, "wrong");
    assert.ok(outcome.error, JSON.stringify(outcome));
    console.log("ok: other page with a wrong key is refused,", outcome.error, outcome.status);
  } else {
    const outcome = await call(otherPort, "unused");
    assert.deepEqual(outcome, { error: "APIConnectionError", status: null });
    console.log("ok: other page is refused");
  }
} finally {
  await browser.close();
  servers.forEach((server) => server.close());
}
