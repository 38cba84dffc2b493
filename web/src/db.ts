// Keeps jobs and recordings in this browser (IndexedDB), if its user wants that. Nothing of it is sent anywhere.

import type { Job } from "./types";

const SWITCH = "steno-keep";
let opened: Promise<IDBDatabase> | null = null;

/** Whether recordings and texts are kept beyond this visit. */
export function isKeeping(): boolean {
  return localStorage.getItem(SWITCH) !== "no";
}

/** Turns keeping on or off. Off forgets what was kept. */
export async function setKeeping(isOn: boolean): Promise<void> {
  if (isOn) {
    localStorage.removeItem(SWITCH);
  } else {
    localStorage.setItem(SWITCH, "no");
    await forget();
  }
}

/** All jobs that are kept, the newest first. */
export async function loadJobs(): Promise<Job[]> {
  if (!isKeeping()) return [];
  const jobs = (await run("jobs", "readonly", (store) => store.getAll())) as Job[];
  return jobs.sort((a, b) => b.addedAt - a.addedAt);
}

/** The recording of a job, if it is kept. */
export async function loadRecording(id: string): Promise<Blob | null> {
  if (!isKeeping()) return null;
  return ((await run("recordings", "readonly", (store) => store.get(id))) as Blob | undefined) ?? null;
}

export async function saveJob(job: Job): Promise<void> {
  if (isKeeping()) await run("jobs", "readwrite", (store) => store.put(job));
}

export async function saveRecording(id: string, recording: Blob): Promise<void> {
  if (isKeeping()) await run("recordings", "readwrite", (store) => store.put(recording, id));
}

export async function dropJob(id: string): Promise<void> {
  await run("jobs", "readwrite", (store) => store.delete(id));
  await run("recordings", "readwrite", (store) => store.delete(id));
}

/** Deletes the whole database. */
export async function forget(): Promise<void> {
  const database = await (opened ?? Promise.resolve(null)).catch(() => null);
  database?.close();
  opened = null;
  await new Promise<void>((resolve) => {
    const deletion = indexedDB.deleteDatabase("steno");
    deletion.onsuccess = () => resolve();
    deletion.onerror = () => resolve();
    deletion.onblocked = () => resolve();
  });
}

function open(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("steno", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("jobs", { keyPath: "id" });
      request.result.createObjectStore("recordings");
    };
    request.onsuccess = () => {
      // Another tab that forgets everything must not wait for this one.
      request.result.onversionchange = () => {
        request.result.close();
        opened = null;
      };
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(
  name: "jobs" | "recordings",
  mode: IDBTransactionMode,
  operation: (store: IDBObjectStore) => IDBRequest,
): Promise<unknown> {
  try {
    const database = await open();
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(name, mode);
      const request = operation(transaction.objectStore(name));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  } catch (error) {
    // A private window or a full disk: the page works on without memory.
    if (mode === "readwrite") window.dispatchEvent(new CustomEvent("steno-not-kept", { detail: String(error) }));
    return mode === "readonly" && name === "jobs" ? [] : undefined;
  }
}
