// Vercel's AI SDK against a running server. Called by the end-to-end tests: ai_sdk.mjs BASE RECORDING TEXT_FILE.
import assert from "node:assert/strict";
import fs from "node:fs";

import { createOpenAI } from "@ai-sdk/openai";
import * as ai from "ai";

const [base, recording, textFile] = process.argv.slice(2);
const words = (text) => text.toLowerCase().replace(/[^a-z0-9' ]/g, " ").split(/\s+/).filter(Boolean);
const expected = words(fs.readFileSync(textFile, "utf8"));
const transcribe = ai.transcribe ?? ai.experimental_transcribe;

const openai = createOpenAI({ baseURL: `${base}/v1`, apiKey: "unused" });
for (const model of ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"]) {
  const result = await transcribe({
    model: openai.transcription(model),
    audio: fs.readFileSync(recording),
    providerOptions: { openai: { language: "en", timestampGranularities: ["segment"] } },
  });
  assert.deepEqual(words(result.text), expected, model);
  console.log("ok:", model);
}
