// OpenAI's own JavaScript client against a running server. Called by the end-to-end tests:
// openai_sdk.mjs BASE RECORDING TEXT_FILE NOT_AUDIO.
import assert from "node:assert/strict";
import fs from "node:fs";

import OpenAI from "openai";

const [base, recording, textFile, notAudio] = process.argv.slice(2);
const words = (text) => text.toLowerCase().replace(/[^a-z0-9' ]/g, " ").split(/\s+/).filter(Boolean);
const expected = words(fs.readFileSync(textFile, "utf8"));
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "unused", maxRetries: 0 });

const check = (what, text) => {
  assert.deepEqual(words(text), expected, what);
  console.log("ok:", what);
};
const transcribe = (options = {}) =>
  client.audio.transcriptions.create({
    file: fs.createReadStream(recording), model: "whisper-1", language: "en", ...options,
  });

check("json", (await transcribe()).text);
check("text", await transcribe({ response_format: "text" }));
assert.match(await transcribe({ response_format: "srt" }), /^1\n00:00:0/);
assert.match(await transcribe({ response_format: "vtt" }), /^WEBVTT\n\n/);

const verbose = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] });
check("verbose_json", verbose.text);
check("words", verbose.words.map((word) => word.word).join(" "));
assert.equal(Object.keys(verbose.segments[0]).length, 10);
const spoken = await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word"] });
assert.equal(spoken.segments, undefined);

let streamed = "";
let last;
for await (const event of await transcribe({ stream: true })) {
  if (event.type === "transcript.text.delta") streamed += event.delta;
  last = event;
}
check("stream", streamed);
assert.equal(last.type, "transcript.text.done");
assert.equal(last.text, streamed);

// One channel is one speaker; no network is needed for it.
const labelled = { model: "gpt-4o-transcribe-diarize", response_format: "diarized_json", channels: "split" };
const diarized = await transcribe(labelled);
check("diarized_json", diarized.segments.map((segment) => segment.text).join(" "));
assert.ok(diarized.segments.every((segment) => segment.speaker === "A" && segment.type === "transcript.text.segment"));
const spokenBy = [];
for await (const event of await transcribe({ ...labelled, stream: true })) {
  if (event.type === "transcript.text.segment") spokenBy.push(event);
}
check("diarized stream", spokenBy.map((event) => event.text).join(" "));

const translated = await client.audio.translations.create({ file: fs.createReadStream(recording), model: "whisper-1" });
check("translation of English", translated.text);

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.deepEqual(models.slice(0, 2), ["base", "whisper-1"]);

const refused = async (status, code, call) => {
  const error = await call().then(() => assert.fail("nothing was refused"), (error) => error);
  assert.ok(error instanceof OpenAI.APIError, String(error));
  assert.equal(error.status, status);
  assert.equal(error.code, code);
  assert.deepEqual(Object.keys(error.error).sort(), ["code", "message", "param", "type"]);
  console.log("ok: refused,", code);
};
await refused(400, "unsupported_media", () => transcribe({ file: fs.createReadStream(notAudio) }));
await refused(400, "model_not_found", () => transcribe({ model: "whisper-9" }));
await refused(400, "invalid_options", () => transcribe({ response_format: "docx" }));
