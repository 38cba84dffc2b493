// The jobs of this browser: their way from a file to a text. The views draw them and are told when they change.

import { CallError, deleteJob, getJob, submitAddress, upload } from "./api";
import * as db from "./db";
import { follow } from "./follow";
import type { Job, JobStatus, Options, Segment } from "./types";

/** Milliseconds before a changed job is saved. Longer while segments arrive, because each save writes all of them. */
const SAVE_PAUSE = 200;
const LIVE_SAVE_PAUSE = 3000;
/** Recordings that are uploaded at a time. */
const UPLOADS = 3;
const TRIES = 4;
/**
 * Jobs besides the one that is shown whose events are streamed. Over HTTP/1.1, a browser has six connections to a server. Three are for
 * uploads, two for streams, and one for everything else.
 */
const OTHER_STREAMS = 1;

/** Jobs, the newest first. */
export let jobs: Job[] = [];

const recordings = new Map<string, Blob>();
const stops = new Map<string, AbortController>();
const unsaved = new Set<Job>();
const listeners = new Set<(job: Job | null) => void>();
const streams = new Set<{ job: Job }>();
let shown: Job | null = null;
let uploading = 0;
/** Whether the server can be reached. */
export let isReached = true;

/** Calls `listener` with each job that changes, and with null when the list does. */
export function onChange(listener: (job: Job | null) => void): void {
  listeners.add(listener);
}

export function offChange(listener: (job: Job | null) => void): void {
  listeners.delete(listener);
}

export function jobOf(id: string): Job | null {
  return jobs.find((job) => job.id === id) ?? null;
}

/** The recording of a job, if this browser has it. */
export async function recordingOf(id: string): Promise<Blob | null> {
  return recordings.get(id) ?? db.loadRecording(id);
}

/** Brings back the jobs of earlier visits, and goes on with those that have not ended. */
export async function restore(): Promise<void> {
  jobs = await db.loadJobs();
  tell(null);
  for (const job of jobs) {
    if (job.stage === "uploading") job.stage = "waiting";
    if (isRunning(job)) void watch(job);
    else if (job.stage === "completed" && job.isOnServer) void refresh(job);
  }
  uploadNext();
}

/** Adds recordings that this browser has. */
export function add(files: File[], options: Options): void {
  const added = files.map((file) => {
    const job = newJob(file.name || "recording", options, { type: file.type, size: file.size });
    recordings.set(job.id, file);
    void db.saveRecording(job.id, file);
    return job;
  });
  enlist(added);
}

/** Adds a recording that the server downloads. */
export function addAddress(address: URL, options: Options): void {
  const file = decoded(address.pathname.split("/").filter(Boolean).at(-1) ?? "");
  enlist([newJob(file || address.host, options, { address: address.href })]);
}

function newJob(name: string, options: Options, more: Partial<Job>): Job {
  return {
    id: newId(),
    name,
    address: null,
    type: "",
    size: 0,
    addedAt: Date.now(),
    options: { ...options },
    stage: "waiting",
    sent: 0,
    jobId: null,
    lastEventId: null,
    progress: 0,
    position: null,
    etaSeconds: null,
    fetch: null,
    deadline: null,
    problem: null,
    live: [],
    result: null,
    isEdited: false,
    isOnServer: false,
    ...more,
  };
}

function enlist(added: Job[]): void {
  jobs = [...added, ...jobs];
  // At once: the page may be closed right after.
  for (const job of added) void db.saveJob(job);
  tell(null);
  uploadNext();
}

/** A part of an address as text; unchanged if it is not valid. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function newId(): string {
  // Browsers have it over https and on localhost only.
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether a job ended without a text. */
export function canRetry(job: Job): boolean {
  return ["refused", "failed", "gone"].includes(job.stage) && job.result === null;
}

/** Submits a recording again. */
export function retry(job: Job): void {
  // The server answers a submission that it accepted once with the job that has ended.
  if (job.jobId) job.submission = newId();
  change(job, { stage: "waiting", problem: null, sent: 0, jobId: null, lastEventId: null, progress: 0, live: [] });
  uploadNext();
}

/** Saves at once what a person changed in the text: the page may be closed right after. */
export function edited(job: Job): void {
  job.isEdited = true;
  void db.saveJob(job);
  tell(job);
}

/** Deletes a job on the server at once. The text stays in this browser. */
export async function deleteOnServer(job: Job): Promise<void> {
  stop(job);
  if (job.jobId) await deleteJob(job.jobId);
  const isDone = job.stage === "completed";
  change(job, { isOnServer: false, deadline: null, stage: isDone ? "completed" : "gone" });
}

/** Forgets a job here, and deletes it on the server. */
export async function remove(job: Job): Promise<void> {
  stop(job);
  if (job.jobId && job.isOnServer) await deleteJob(job.jobId);
  jobs = jobs.filter((other) => other !== job);
  recordings.delete(job.id);
  await db.dropJob(job.id);
  tell(null);
  uploadNext();
}

/** Forgets every job here. */
export async function forgetAll(): Promise<void> {
  jobs.forEach(stop);
  jobs = [];
  recordings.clear();
  await db.forget();
  tell(null);
}

/** Writes all jobs down, when keeping is turned on. */
export async function keepAll(): Promise<void> {
  for (const job of jobs) {
    const recording = recordings.get(job.id);
    if (recording) await db.saveRecording(job.id, recording);
    await db.saveJob(job);
  }
}

/** Holds recordings in memory before the database is deleted. */
export async function holdAll(): Promise<void> {
  for (const job of jobs) {
    const recording = await recordingOf(job.id);
    if (recording) recordings.set(job.id, recording);
  }
}

function stop(job: Job): void {
  stops.get(job.id)?.abort();
  stops.delete(job.id);
}

function start(job: Job): AbortSignal {
  const controller = new AbortController();
  stops.set(job.id, controller);
  return controller.signal;
}

function uploadNext(): void {
  while (uploading < UPLOADS) {
    // The oldest first.
    const next = [...jobs].reverse().find((job) => job.stage === "waiting");
    if (!next) return;
    uploading += 1;
    void send(next).finally(() => {
      uploading -= 1;
      uploadNext();
    });
  }
}

async function send(job: Job): Promise<void> {
  change(job, { stage: "uploading", sent: 0, problem: null });
  const recording = job.address ? null : await recordingOf(job.id);
  if (!recording && !job.address) {
    change(job, { stage: "refused", problem: "This browser no longer has the recording. Choose it again." });
    return;
  }

  const signal = start(job);
  const submission = job.submission ?? job.id;
  const submit = () =>
    recording
      ? upload(submission, recording, job.name, job.options, (sent) => change(job, { sent }, false), signal)
      : submitAddress(submission, job.address ?? "", job.options, signal);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const accepted = await submit();
      change(job, {
        stage: "pending",
        sent: 1,
        jobId: accepted.job_id,
        position: accepted.position,
        deadline: accepted.ttl_deadline,
        isOnServer: true,
      });
      setReached(true);
      void watch(job);
      return;
    } catch (error) {
      if (signal.aborted) return;
      const failure = error instanceof CallError ? error : new CallError(1, String(error));
      if (!failure.isPassing || attempt === TRIES) {
        change(job, { stage: "refused", problem: failure.message });
        return;
      }
      change(job, { problem: `${failure.message} Trying again.` });
      await new Promise((resolve) => setTimeout(resolve, (failure.retryAfter ?? 2 ** attempt) * 1000));
      if (signal.aborted) return;
    }
  }
}

/** Says which job a person looks at: its segments come as a stream. */
export function show(job: Job | null): void {
  const before = shown;
  shown = job;
  for (const changed of [before, job]) {
    if (!changed || before === job || !isRunning(changed)) continue;
    stop(changed);
    void watch(changed);
  }
}

function isRunning(job: Job): boolean {
  return jobs.includes(job) && (job.stage === "pending" || job.stage === "processing");
}

function takeStream(job: Job): (() => void) | null {
  const others = [...streams].filter((other) => other.job !== shown && other.job !== job).length;
  if (job !== shown && others >= OTHER_STREAMS) return null;
  const stream = { job };
  streams.add(stream);
  return () => streams.delete(stream);
}

/** Follows a job on the server to its end. */
async function watch(job: Job): Promise<void> {
  const signal = start(job);
  try {
    await follow(
      job.jobId ?? "",
      job.lastEventId,
      {
        onStatus: (status) => apply(job, status),
        onSegment: (segment) => takeSegment(job, segment),
        onProgress: (progress, etaSeconds) => change(job, { progress, etaSeconds }),
        onFetch: (fetch) => change(job, { fetch }),
        onEventId: (id) => (job.lastEventId = id),
        onReach: setReached,
        takeStream: () => takeStream(job),
        // Many jobs together cause at most ten calls a second.
        pollPause: () => Math.max(2000, 100 * jobs.filter(isRunning).length),
      },
      signal,
    );
    await refresh(job);
  } catch (error) {
    if (!signal.aborted) fail(job, error);
  }
}

/** Asks for the job as it is, with its result. */
async function refresh(job: Job): Promise<void> {
  try {
    const status = await getJob(job.jobId ?? "");
    apply(job, status);
    if (status.result && !job.result) {
      change(job, { result: status.result, live: [], progress: 1 }, false);
      void db.saveJob(job);
    }
  } catch (error) {
    fail(job, error);
  }
}

function fail(job: Job, error: unknown): void {
  const failure = error instanceof CallError ? error : new CallError(0, String(error));
  if (failure.status === 404 || failure.status === 410) {
    const isDone = job.result !== null;
    change(job, {
      stage: isDone ? "completed" : "gone",
      isOnServer: false,
      deadline: null,
      problem: isDone ? null : failure.message,
    });
  } else {
    change(job, { problem: failure.message });
  }
}

function apply(job: Job, status: JobStatus): void {
  change(job, {
    stage: status.status,
    position: status.position,
    etaSeconds: status.eta_seconds,
    progress: status.progress,
    fetch: status.fetch ?? null,
    deadline: status.delete_after ?? status.ttl_deadline,
    problem: status.error ? status.error.message : null,
  });
}

function takeSegment(job: Job, segment: Segment): void {
  // After a reconnect an event may come twice.
  const last = job.live.at(-1);
  if (last && segment.id <= last.id) return;
  job.live.push(segment);
  change(job, {});
}

function setReached(value: boolean): void {
  if (isReached === value) return;
  isReached = value;
  tell(null);
}

function change(job: Job, changes: Partial<Job>, isSaved = true): void {
  Object.assign(job, changes);
  if (!jobs.includes(job)) return;
  if (isSaved) save(job);
  tell(job);
}

/**
 * Saves a job soon. Segments may come fast, and each save writes the whole job. If the page is reloaded before, it asks the server
 * again for the segments that were not saved.
 */
function save(job: Job): void {
  if (unsaved.has(job)) return;
  unsaved.add(job);
  const pause = job.live.length > 0 ? LIVE_SAVE_PAUSE : SAVE_PAUSE;
  setTimeout(() => {
    unsaved.delete(job);
    if (jobs.includes(job)) void db.saveJob(job);
  }, pause);
}

function tell(job: Job | null): void {
  for (const listener of listeners) listener(job);
}
