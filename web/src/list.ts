// The list of recordings with what happens to each.

import { confirmRemoval } from "./dialogs";
import { h, notify, setText } from "./dom";
import * as jobs from "./jobs";
import { bytes, clock, moment, span } from "./time";
import type { Fetch, Job } from "./types";

/** The part of the page with all jobs. It keeps itself up to date while it is on the page. */
export function list(): HTMLElement {
  const items = h("ul", { class: "jobs" });
  const empty = h("p", { class: "hint" }, "Nothing here yet. A recording that you add appears here with its text.");
  const section = h("section", { "aria-label": "Recordings" }, h("h2", {}, "Recordings"), empty, items);
  const rows = new Map<string, { element: HTMLElement; update: () => void }>();

  const update = (job: Job | null) => {
    if (!section.isConnected && section.dataset["shown"]) {
      jobs.offChange(update);
      return;
    }
    section.dataset["shown"] = "yes";
    if (job) {
      rows.get(job.id)?.update();
      return;
    }
    empty.hidden = jobs.jobs.length > 0;
    for (const known of [...rows.keys()]) {
      if (jobs.jobOf(known)) continue;
      rows.get(known)?.element.remove();
      rows.delete(known);
    }
    jobs.jobs.forEach((job, index) => {
      let row = rows.get(job.id);
      if (!row) {
        row = rowOf(job);
        rows.set(job.id, row);
      }
      if (items.children[index] !== row.element) items.insertBefore(row.element, items.children[index] ?? null);
      row.update();
    });
  };
  jobs.onChange(update);
  update(null);
  return section;
}

function rowOf(job: Job): { element: HTMLElement; update: () => void } {
  const link = h("a", { class: "job-name", href: `#${job.id}`, dir: "auto" }, job.name);
  const state = h("p", { class: "job-state" });
  const bar = h("progress", { max: "1", "aria-label": `Progress of ${job.name}` });
  const problem = h("p", { class: "problem" });
  const text = h("p", { class: "job-text", dir: "auto" });
  const openText = h("a", { class: "button primary", href: `#${job.id}`, "aria-label": `Open the text of ${job.name}` }, "Open");
  const again = h("button", { type: "button", onclick: () => jobs.retry(job) }, "Try again");
  const remove = h("button", { type: "button", "aria-label": `Remove ${job.name}` }, "Remove");
  remove.onclick = async () => {
    if (job.result && !(await confirmRemoval(job.name, job.isOnServer))) return;
    const focusNext = element.nextElementSibling ?? element.previousElementSibling;
    jobs.remove(job).then(
      () => (focusNext?.querySelector<HTMLElement>("a") ?? document.querySelector<HTMLElement>("main"))?.focus(),
      (error: Error) => notify(`Not removed: ${error.message}`),
    );
  };
  const element = h(
    "li",
    { class: "card job" },
    h("div", { class: "job-head" }, link, h("div", { class: "buttons" }, openText, again, remove)),
    state,
    bar,
    problem,
    text,
  );

  const update = () => {
    setText(state, stateOf(job));
    element.dataset["stage"] = job.stage;
    const isUploading = job.stage === "uploading";
    bar.hidden = !isUploading && job.stage !== "processing";
    bar.value = isUploading ? job.sent : job.progress;
    problem.hidden = !job.problem;
    setText(problem, job.problem ?? "");
    openText.hidden = job.result === null;
    again.hidden = !jobs.canRetry(job);
    const shown = job.result ? job.result.text : job.live.slice(-3).map((segment) => segment.text).join(" ");
    text.hidden = shown === "";
    setText(text, shown.slice(0, 240));
  };
  update();
  return { element, update };
}

/** What a person wants to know about a job, in one line. */
export function stateOf(job: Job): string {
  switch (job.stage) {
    case "waiting":
      return job.address ? "Waits to be submitted" : `Waits to be uploaded, ${bytes(job.size)}`;
    case "uploading":
      if (job.address) return "Sending the address to the server";
      return job.sent >= 1 ? "Uploaded, waits for the server" : `Uploading, ${Math.round(job.sent * 100)} % of ${bytes(job.size)}`;
    case "refused":
      return job.address ? "Not accepted" : "Not uploaded";
    case "pending":
      if (job.fetch) return fetchState(job.fetch);
      return job.position && job.position > 1 ? `In the queue, number ${job.position}` : "Next in the queue";
    case "processing": {
      if (job.fetch) return fetchState(job.fetch);
      const eta = job.etaSeconds === null ? "" : `, about ${span(job.etaSeconds)} left`;
      return `Transcribing, ${Math.round(job.progress * 100)} %${eta}`;
    }
    case "completed":
      return `Done. Length ${clock(job.result?.duration_seconds ?? 0)}. ${whereText(job)}`;
    case "failed":
      return "Failed";
    case "gone":
      return "Deleted on the server";
  }
}

/** Where the text of a completed job is, and for how long. */
export function whereText(job: Job): string {
  if (!job.isOnServer) return "The text is deleted on the server and still in this browser.";
  return job.deadline ? `The server deletes the text on ${moment(job.deadline)}.` : "The server deletes the text when its time is over.";
}

/** How far the server's download of a recording is. */
function fetchState(fetch: Fetch): string {
  const received = fetch.total === null ? bytes(fetch.bytes) : `${bytes(fetch.bytes)} of ${bytes(fetch.total)}`;
  if (fetch.problem === "no_courier") return "Waits for the server's downloads to run. The operator has to start steno-courier";
  if (fetch.state === "waiting") return "Waits to be downloaded by the server";
  if (fetch.state === "retrying") return `The download was interrupted after ${received}. Trying again`;
  return `The server downloads it, ${received}`;
}
