// Follows a job on the server: its events, read with `fetch` so that the key stays in a header. A broken stream is resumed after the
// last event; where streams do not get through, the status is polled.

import { CallError, call, getJob } from "./api";
import type { Fetch, JobStatus, Segment } from "./types";

export interface Handlers {
  onStatus(status: JobStatus): void;
  onSegment(segment: Segment): void;
  onProgress(progress: number, etaSeconds: number | null): void;
  onFetch(fetch: Fetch): void;
  onEventId(id: string): void;
  /** The server cannot be reached for now, or again. */
  onReach(isReached: boolean): void;
  /** Asks for a stream. Returns what to call at its end, or null: the job is polled then. */
  takeStream(): (() => void) | null;
  /** Milliseconds between two polls. */
  pollPause(): number;
}

/** Streams that end without an event before the status is polled instead. */
const SILENT_STREAMS = 2;
const LONGEST_WAIT_MS = 15_000;

/** Follows until the job has ended. Throws a CallError if the server says that there is none, and an AbortError when stopped. */
export async function follow(jobId: string, lastEventId: string | null, handlers: Handlers, signal: AbortSignal): Promise<void> {
  let last = lastEventId;
  let silent = 0;
  let failures = 0;
  for (;;) {
    try {
      const endStream = silent >= SILENT_STREAMS ? null : handlers.takeStream();
      const hasEnded = endStream ? await stream().finally(endStream) : await poll(jobId, handlers, signal);
      handlers.onReach(true);
      failures = 0;
      if (hasEnded) return;
      if (!endStream) await pause(handlers.pollPause(), signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof CallError && !error.isPassing) throw error;
      failures += 1;
      handlers.onReach(false);
      const wait = (error instanceof CallError && error.retryAfter ? error.retryAfter : 0) * 1000;
      await pause(Math.max(wait, Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures)), signal);
    }
  }

  async function stream(): Promise<boolean> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (last) headers["last-event-id"] = last;
    const response = await call(`transcribe/${jobId}/events`, { headers, signal });
    handlers.onReach(true);
    failures = 0;
    // The browser has every event already.
    if (response.status === 204 || !response.body) return true;

    let count = 0;
    try {
      for await (const event of parse(chunks(response.body))) {
        count += 1;
        if (event.id) {
          last = event.id;
          handlers.onEventId(event.id);
        }
        if (deliver(event, handlers)) return true;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      // A broken stream is resumed like one that ended.
    }
    silent = count > 0 ? 0 : silent + 1;
    await pause(500, signal);
    return false;
  }
}

async function poll(jobId: string, handlers: Handlers, signal: AbortSignal): Promise<boolean> {
  const status = await getJob(jobId, signal);
  handlers.onStatus(status);
  handlers.onProgress(status.progress, status.eta_seconds);
  return status.status === "completed" || status.status === "failed";
}

interface Message {
  event: string;
  data: string;
  id: string | null;
}

/** Hands an event over. Returns whether it is the last. */
function deliver(message: Message, handlers: Handlers): boolean {
  const data = JSON.parse(message.data) as unknown;
  switch (message.event) {
    case "segment":
      handlers.onSegment(data as Segment);
      return false;
    case "progress": {
      const progress = data as { progress: number; eta_seconds: number | null };
      handlers.onProgress(progress.progress, progress.eta_seconds);
      return false;
    }
    case "fetch":
      handlers.onFetch(data as Fetch);
      return false;
    case "status":
    case "completed":
    case "failed":
      handlers.onStatus(data as JobStatus);
      return message.event !== "status";
    default:
      return false;
  }
}

/** The text of a body as it comes. Not every browser can iterate over a stream. */
async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}

/** Reads server-sent events (HTML, 9.2.6). */
export async function* parse(texts: AsyncIterable<string>): AsyncGenerator<Message> {
  let rest = "";
  let message = { event: "message", data: [] as string[], id: null as string | null };
  for await (const chunk of texts) {
    rest += chunk;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (message.data.length > 0) yield { event: message.event, data: message.data.join("\n"), id: message.id };
        message = { event: "message", data: [], id: null };
        continue;
      }
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "event") message.event = value ?? "";
      else if (name === "data") message.data.push(value ?? "");
      else if (name === "id") message.id = value ?? "";
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    });
  });
}
