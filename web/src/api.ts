// Speaks to the server that the page came from. The API key goes into a header, never into an address.

import type { JobStatus, Options } from "./types";

/** The answer to an accepted submission. */
interface Accepted {
  job_id: string;
  position: number | null;
  ttl_deadline: string;
}

const KEY = "steno-key";

/** Why a call failed, in the words of the server where it gave any. */
export class CallError extends Error {
  constructor(
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    message: string,
    /** Seconds after which to try again, if the server named them. */
    readonly retryAfter: number | null = null,
    /** The server's code, or an empty text. */
    readonly code = "",
  ) {
    super(message);
  }

  /** Whether the same call may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

let askForKey: (wasWrong: boolean) => Promise<boolean> = () => Promise.resolve(false);

/** Sets what asks a person for the API key. It resolves to whether there is one to try. */
export function onKeyNeeded(ask: (wasWrong: boolean) => Promise<boolean>): void {
  askForKey = ask;
}

export function key(): string | null {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
}

/** Keeps the key for this tab, or, if `isRemembered`, for this browser. */
export function setKey(value: string | null, isRemembered = false): void {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  if (value) (isRemembered ? localStorage : sessionStorage).setItem(KEY, value);
}

export function isKeyRemembered(): boolean {
  return localStorage.getItem(KEY) !== null;
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const own = key();
  return own ? { ...more, authorization: `Bearer ${own}` } : more;
}

/** One call. Asks for the key where the server wants one, and then calls again. */
export async function call(path: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> {
  for (;;) {
    const used = key();
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers: headers(init.headers), cache: "no-store" });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new CallError(0, "The server cannot be reached.");
    }
    if (response.ok) return response;
    if (response.status === 401 && (key() !== used || (await askForKey(used !== null)))) continue;
    throw await problem(response.status, await response.text(), response.headers.get("retry-after"));
  }
}

/** What a refusal says. */
function problem(status: number, body: string, retryAfter: string | null): CallError {
  const seconds = retryAfter ? Number(retryAfter) || null : null;
  try {
    const parsed = JSON.parse(body) as { detail?: string; title?: string; code?: string; errors?: { pointer: string; detail: string }[] };
    const fields = (parsed.errors ?? []).map((field) => `${field.pointer.slice(1)}: ${field.detail}`);
    const text = [parsed.detail ?? parsed.title, ...fields].filter(Boolean).join("; ");
    return new CallError(status, text || `The server answered ${status}.`, seconds, parsed.code);
  } catch {
    return new CallError(status, `The server answered ${status}.`, seconds);
  }
}

export async function getJob(jobId: string, signal?: AbortSignal): Promise<JobStatus> {
  const response = await call(`transcribe/${jobId}?keep=true`, { signal: signal ?? null });
  return (await response.json()) as JobStatus;
}

/** Deletes a job on the server. One that is gone already is no error. */
export async function deleteJob(jobId: string): Promise<void> {
  await call(`transcribe/${jobId}`, { method: "DELETE" }).catch((error: unknown) => {
    if (!(error instanceof CallError) || (error.status !== 404 && error.status !== 410)) throw error;
  });
}

export async function listModels(): Promise<string[]> {
  const response = await call("v1/models");
  const list = (await response.json()) as { data: { id: string }[] };
  return list.data.map((model) => model.id);
}

/** The text of a result in one of the server's formats. The server keeps nothing of it. */
export async function renderResult(result: unknown, task: string, format: string): Promise<Blob> {
  const response = await call("render", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ result, task, format }),
  });
  return response.blob();
}

/** Sends a recording. `onSent` gets the share of its bytes that are sent. */
export async function upload(
  id: string,
  recording: Blob,
  name: string,
  options: Options,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<Accepted> {
  for (;;) {
    const used = key();
    const answer = await send(id, recording, name, options, onSent, signal);
    if (answer.status === 202) return JSON.parse(answer.body);
    if (answer.status === 401 && (key() !== used || (await askForKey(used !== null)))) continue;
    throw problem(answer.status, answer.body, answer.retryAfter);
  }
}

/** Submits a recording that the server downloads. */
export async function submitAddress(id: string, address: string, options: Options, signal: AbortSignal): Promise<Accepted> {
  const response = await call("transcribe", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": id },
    body: JSON.stringify({ url: address, ...Object.fromEntries(fieldsOf(options)) }),
    signal,
  });
  return (await response.json()) as Accepted;
}

/** The options that differ from the defaults, as fields. */
function fieldsOf(options: Options): [name: string, value: string][] {
  const fields: [string, string, boolean][] = [
    ["language", options.language, options.language !== "auto"],
    ["task", options.task, options.task !== "transcribe"],
    ["model", options.model, options.model !== ""],
    ["prompt", options.prompt, options.prompt.trim() !== ""],
    ["word_timestamps", "true", options.words],
    ["diarize", "true", options.speakers],
  ];
  return fields.filter(([, , isSet]) => isSet).map(([name, value]) => [name, value]);
}

/** `fetch` reports no progress of uploads. */
function send(
  id: string,
  recording: Blob,
  name: string,
  options: Options,
  onSent: (share: number) => void,
  signal: AbortSignal,
): Promise<{ status: number; body: string; retryAfter: string | null }> {
  const form = new FormData();
  for (const [name, value] of fieldsOf(options)) form.append(name, value);
  form.append("file", recording, name);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "transcribe");
    for (const [header, value] of Object.entries(headers({ "idempotency-key": id }))) request.setRequestHeader(header, value);
    request.upload.onprogress = (event) => onSent(event.total > 0 ? event.loaded / event.total : 0);
    request.onload = () =>
      resolve({ status: request.status, body: request.responseText, retryAfter: request.getResponseHeader("retry-after") });
    request.onerror = () => reject(new CallError(0, "The upload was cut off: the server cannot be reached."));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
