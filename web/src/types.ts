// What goes over the wire, as docs/API.md has it, and what this browser keeps of a job.

export interface Word {
  word: string;
  start: number;
  end: number;
  probability: number;
  speaker?: string;
}

export interface Segment {
  id: number;
  start: number;
  end: number;
  text: string;
  language?: string;
  /** Absent without speaker labels. */
  speaker?: string;
  words?: Word[];
}

export interface Speaker {
  speaker: string;
  seconds: number;
  turns: { start: number; end: number }[];
}

export interface Result {
  text: string;
  language: string | null;
  duration_seconds: number;
  model: string;
  warnings: { code: string; detail: string; start?: number; end?: number }[];
  segments: Segment[];
  /** Absent without speaker labels. */
  speakers?: Speaker[];
}

export type ServerStatus = "pending" | "processing" | "completed" | "failed";

export interface JobStatus {
  job_id: string;
  status: ServerStatus;
  language: string | null;
  progress: number;
  position: number | null;
  eta_seconds: number | null;
  ttl_deadline: string;
  delete_after: string | null;
  duration_seconds: number | null;
  error: { code: string; message: string } | null;
  result: Result | null;
  /** The download of the recording; absent when it is here. */
  fetch?: Fetch;
}

/** The download of a recording that was submitted by its address. */
export interface Fetch {
  state: "waiting" | "downloading" | "retrying";
  bytes: number;
  /** Null if it is not known. */
  total: number | null;
  /** `no_courier`, or why the last attempt failed. */
  problem: string | null;
}

export interface Options {
  language: string;
  task: "transcribe" | "translate";
  model: string;
  prompt: string;
  words: boolean;
  /** Whether to label who speaks. */
  speakers: boolean;
}

/** Where a recording stands, as this page sees it. */
export type Stage =
  | "waiting" // for its turn to be uploaded
  | "uploading"
  | "refused" // the upload failed, or the server refused it
  | ServerStatus
  | "gone"; // the server has deleted it

export interface Job {
  /** Made here. */
  id: string;
  /** The Idempotency-Key: an upload that is tried again makes no second job. Absent for the first job of a recording, whose key is `id`. */
  submission?: string;
  name: string;
  /** Where the server downloads the recording; null for a file of this browser. */
  address: string | null;
  type: string;
  size: number;
  addedAt: number;
  options: Options;
  stage: Stage;
  /** Bytes sent over all bytes, 0 to 1. */
  sent: number;
  /** The server's id, once it has accepted the recording. */
  jobId: string | null;
  lastEventId: string | null;
  progress: number;
  position: number | null;
  etaSeconds: number | null;
  /** The download of the recording, while it lasts. */
  fetch: Fetch | null;
  /** When the server deletes the job at the latest. */
  deadline: string | null;
  /** What went wrong, for a person. */
  problem: string | null;
  /** Segments as they come in, until the result is here. */
  live: Segment[];
  result: Result | null;
  isEdited: boolean;
  /** Whether the server still has it. */
  isOnServer: boolean;
}
