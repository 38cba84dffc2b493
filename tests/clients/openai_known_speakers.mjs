// Known speakers with OpenAI's own JavaScript client: openai_known_speakers.mjs BASE RECORDING NAME=REFERENCE…
import assert from "node:assert/strict";
import fs from "node:fs";

import OpenAI from "openai";

const [base, recording, ...pairs] = process.argv.slice(2);
const names = pairs.map((pair) => pair.split("=")[0]);
const references = pairs.map((pair) => {
  const audio = fs.readFileSync(pair.split("=")[1]);
  return `data:audio/ogg;base64,${audio.toString("base64")}`;
});
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: "unused", maxRetries: 0 });

const transcribe = (options = {}) =>
  client.audio.transcriptions.create({
    file: fs.createReadStream(recording),
    model: "gpt-4o-transcribe-diarize",
    language: "en",
    response_format: "diarized_json",
    chunking_strategy: "auto",
    known_speaker_names: names,
    known_speaker_references: references,
    ...options,
  });

const answer = await transcribe();
const spoken = answer.segments.map((segment) => segment.speaker);
assert.deepEqual([...new Set(spoken)].sort(), [...names].sort());
console.log("ok: diarized_json,", spoken.join(" "));

const streamed = [];
for await (const event of await transcribe({ stream: true })) {
  if (event.type === "transcript.text.segment") streamed.push(event.speaker);
}
assert.deepEqual(streamed, spoken);
console.log("ok: stream");

const refused = await transcribe({ known_speaker_references: references.slice(1) }).then(
  () => assert.fail("nothing was refused"),
  (error) => error,
);
assert.ok(refused instanceof OpenAI.APIError, String(refused));
assert.equal(refused.status, 400);
assert.equal(refused.param, "known_speaker_references");
console.log("ok: refused,", refused.message);
