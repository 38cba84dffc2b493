// Where recordings come in: dropped, chosen, pasted or recorded; and the options that they get.

import { listModels } from "./api";
import { byId, h, notify } from "./dom";
import * as jobs from "./jobs";
import { languages } from "./languages";
import { recorder } from "./recorder";
import type { Options } from "./types";

const OPTIONS = "steno-options";

/** The part of the page with the drop zone. */
export function intake(): HTMLElement {
  const files = h("input", { type: "file", id: "files", multiple: true, accept: "audio/*,video/*,.mka,.opus,.amr,.wma", class: "hidden", tabindex: "-1", "aria-label": "Recordings" });
  const folder = h("input", { type: "file", id: "folder", webkitdirectory: true, class: "hidden", tabindex: "-1", "aria-label": "A folder of recordings" });
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      take([...(input.files ?? [])], input === folder);
      input.value = "";
    });
  }

  const record = h("div", { id: "recorder" });
  const zone = h(
    "div",
    { class: "drop" },
    h("p", { class: "drop-title" }, "Add recordings"),
    h("p", { class: "hint" }, "Audio or video, any number of files.", h("span", { class: "with-mouse" }, " Drop files or folders here, or paste files or a web address.")),
    h(
      "p",
      { class: "buttons" },
      h("button", { type: "button", class: "primary", onclick: () => files.click() }, "Choose files"),
      h("button", { type: "button", class: "with-mouse", onclick: () => folder.click() }, "Choose a folder"),
      h("button", { type: "button", onclick: () => recorder(record, (file) => take([file], false)) }, "Record from the microphone"),
    ),
    record,
    files,
    folder,
    addressForm(),
  );
  const privacy = h("p", { class: "hint" }, "Recordings go to this server and nowhere else. It deletes the audio when the text is complete. For more, press Privacy at the top of the page.");
  return h("section", { class: "intake", "aria-label": "Add recordings" }, zone, optionsForm(), privacy);
}

/** Takes files that are dropped or pasted anywhere on the page. */
export function setUpDropping(): void {
  const body = document.body;
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    body.classList.remove("dragging");
    void dropped(event.dataTransfer).then(({ files, hasFolder }) => take(files, hasFolder));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) take(files, false);
    else if (!(event.target as Element).closest?.("input, textarea")) takeAddress(event.clipboardData?.getData("text/plain") ?? "");
  });
}

/** Of a folder, what is neither audio nor video is left out without a word; a file that was chosen is for the server to judge. */
function take(files: File[], isFolder: boolean): void {
  const isRecording = (file: File) =>
    /^(audio|video)\//.test(file.type) || /\.(mka|opus|amr|wma|caf|aiff?|m4b|w64|rf64|au)$/i.test(file.name);
  const taken = files.filter((file) => file.size > 0 && (!isFolder || isRecording(file)));
  if (taken.length === 0) {
    if (files.length > 0) notify(isFolder ? "There is no recording in this folder." : "This file is empty.");
    return;
  }
  jobs.add(taken, options());
  if (location.hash.length > 1) location.hash = "";
  notify(taken.length === 1 ? `${taken[0]?.name} is added.` : `${taken.length} recordings are added.`);
}

function addressForm(): HTMLElement {
  const address = h("input", { type: "text", inputmode: "url", id: "address", autocomplete: "off", spellcheck: "false", placeholder: "https://" });
  const form = h(
    "form",
    { class: "address" },
    h("label", { for: "address" }, "Or the web address of a recording"),
    h("p", {}, address, h("button", {}, "Add")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (takeAddress(address.value)) address.value = "";
    else notify("This is not a web address. It has to begin with https:// or http://.");
  });
  return form;
}

/** Adds the recording at an http address. Returns false, and does nothing, for any other text. */
function takeAddress(text: string): boolean {
  const trimmed = text.trim();
  if (!/^https?:\/\/\S+$/i.test(trimmed) || !URL.canParse(trimmed)) return false;
  jobs.addAddress(new URL(trimmed), options());
  if (location.hash.length > 1) location.hash = "";
  notify("The recording is added.");
  return true;
}

async function dropped(transfer: DataTransfer): Promise<{ files: File[]; hasFolder: boolean }> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  if (entries.every((entry) => !entry?.isDirectory)) return { files: [...transfer.files], hasFolder: false };
  const files: File[] = [];
  for (const entry of entries) if (entry) await collect(entry, files);
  return { files, hasFolder: true };
}

async function collect(entry: FileSystemEntry, files: File[]): Promise<void> {
  if (entry.isFile) {
    files.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader gives at most 100 entries at a time.
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const inner of entries) await collect(inner, files);
  }
}

function optionsForm(): HTMLElement {
  const saved = savedOptions();
  const language = h("select", { id: "language" }, h("option", { value: "auto" }, "Detect it"));
  language.append(...languages.map(([code, name]) => h("option", { value: code }, name)));
  language.value = saved.language;
  const task = h(
    "select",
    { id: "task" },
    h("option", { value: "transcribe" }, "Write down what is said"),
    h("option", { value: "translate" }, "Translate into English"),
  );
  task.value = saved.task;
  const model = h("select", { id: "model" }, h("option", { value: "" }, "The server's default"));
  const words = h("input", { type: "checkbox", id: "words" });
  words.checked = saved.words;
  const speakers = h("input", { type: "checkbox", id: "speakers" });
  speakers.checked = saved.speakers;
  const prompt = h("textarea", { id: "prompt", rows: "2", maxlength: "2000", "aria-describedby": "prompt-hint" });

  const details = h(
    "details",
    { class: "options" },
    h("summary", {}, "Options", h("span", { class: "hint" }, " language, translation, speakers, names and terms")),
    h(
      "div",
      { class: "fields" },
      h("p", {}, h("label", { for: "language" }, "Language spoken"), language),
      h("p", {}, h("label", { for: "task" }, "Task"), task),
      h("p", {}, h("label", { for: "model" }, "Model"), model),
      h("p", {}, h("label", { for: "prompt" }, "Names and terms"), prompt),
      h("p", { class: "hint", id: "prompt-hint" }, "Words whose spelling matters, for example: Zoé Lefèvre, Steno."),
      h("p", { class: "check" }, words, h("label", { for: "words" }, "Find the time of every word")),
      h("p", { class: "hint" }, "Needed to mark unsure words, to play single words, and for the best subtitles. Takes a little longer."),
      h("p", { class: "check" }, speakers, h("label", { for: "speakers" }, "Label the speakers")),
      h("p", { class: "hint" }, "Each speaker gets a letter and a colour; you can give them names in the text."),
    ),
  );
  // Asked for when it is needed: a server that wants a key should not ask for it before a recording is there.
  details.addEventListener("toggle", () => {
    if (details.open && model.options.length === 1) void fillModels(model);
  });
  details.addEventListener("change", () => localStorage.setItem(OPTIONS, JSON.stringify({ ...options(), prompt: "", model: "" })));
  return details;
}

async function fillModels(model: HTMLSelectElement): Promise<void> {
  const names = await listModels().catch(() => []);
  model.append(...names.map((name) => h("option", { value: name }, name)));
}

function savedOptions(): Options {
  const defaults: Options = { language: "auto", task: "transcribe", model: "", prompt: "", words: true, speakers: false };
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(OPTIONS) ?? "{}") as Partial<Options>) };
  } catch {
    return defaults;
  }
}

function options(): Options {
  // The form is not there while a text is shown.
  if (!document.getElementById("language")) return savedOptions();
  return {
    language: byId<HTMLSelectElement>("language").value,
    task: byId<HTMLSelectElement>("task").value as Options["task"],
    model: byId<HTMLSelectElement>("model").value,
    prompt: byId<HTMLTextAreaElement>("prompt").value,
    words: byId<HTMLInputElement>("words").checked,
    speakers: byId<HTMLInputElement>("speakers").checked,
  };
}
