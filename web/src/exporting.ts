// Gets the text out: as a file in each of the server's formats, to the clipboard, to paper.
//
// The server renders the text as it is here, edits included, and keeps nothing of it. So there is one layout of subtitles, not two.

import { renderResult } from "./api";
import { download, h, notify } from "./dom";
import { clock } from "./time";
import type { Job, Result, Segment } from "./types";

const FORMATS: [format: string, extension: string, name: string][] = [
  ["text", "txt", "Text"],
  ["srt", "srt", "Subtitles (SRT)"],
  ["vtt", "vtt", "Subtitles (WebVTT)"],
  ["tsv", "tsv", "Table (TSV)"],
  ["lrc", "lrc", "Lyrics (LRC)"],
  ["json", "json", "JSON"],
  ["verbose_json", "verbose.json", "JSON in the format of OpenAI"],
];

/** A menu that downloads the text in a format. */
export function exportMenu(job: Job, result: Result): HTMLElement {
  const buttons = FORMATS.map(([format, extension, name]) => {
    const button = h("button", { type: "button", "data-format": format }, name);
    button.onclick = () => {
      details.open = false;
      summary.focus();
      void save(job, result, format, extension);
    };
    return h("li", {}, button);
  });
  const summary = h("summary", { class: "primary" }, "Download");
  const details = h("details", { class: "menu" }, summary, h("ul", { "aria-label": "Formats" }, ...buttons));
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    summary.focus();
  });
  details.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !details.contains(event.relatedTarget)) details.open = false;
  });
  return details;
}

async function save(job: Job, result: Result, format: string, extension: string): Promise<void> {
  try {
    const stem = job.name.replace(/\.[^.]{1,5}$/, "");
    download(`${stem}.${extension}`, await renderResult(result, job.options.task, format));
  } catch (error) {
    notify(`Not downloaded: ${(error as Error).message}`);
  }
}

export async function copyText(job: Job, result: Result): Promise<void> {
  try {
    const text = await (await renderResult(result, job.options.task, "text")).text();
    await copy(text.trimEnd());
    notify("The text is copied.");
  } catch (error) {
    notify(`Not copied: ${(error as Error).message}`);
  }
}

async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain http there is no clipboard for pages; the old way still works.
  const field = h("textarea", { class: "hidden" });
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("the browser does not allow it");
}

/** Prints the whole text: the list on the page has only what is in sight. */
export function printText(job: Job, result: Result): void {
  const sheet = h(
    "div",
    { class: "sheet" },
    h("h1", { dir: "auto" }, job.name),
    ...result.segments.map((segment, index) => h("p", { dir: "auto" }, h("span", { class: "at" }, clock(segment.start)), " ", named(segment, result.segments[index - 1]), segment.text)),
  );
  document.body.append(sheet);
  addEventListener("afterprint", () => sheet.remove(), { once: true });
  print();
}

/** The name of the speaker, where another one spoke before. */
function named(segment: Segment, before: Segment | undefined): HTMLElement | null {
  if (!segment.speaker || segment.speaker === before?.speaker) return null;
  return h("b", {}, `${segment.speaker}: `);
}
