// The dialogs: for the API key, and for what this browser keeps.

import { isKeyRemembered, key, onKeyNeeded, setKey } from "./api";
import * as db from "./db";
import { byId, h, notify } from "./dom";
import * as jobs from "./jobs";

/** Makes the buttons of the header work, and asks for the key where the server wants one. */
export function setUpDialogs(): void {
  let asking: Promise<boolean> | null = null;
  onKeyNeeded((wasWrong) => {
    // Several calls may be refused at a time; one question is enough.
    asking ??= askForKey(wasWrong ? "The server does not know this API key." : "This server wants an API key.").finally(
      () => (asking = null),
    );
    return asking;
  });
  byId("open-key").addEventListener("click", () => void askForKey(""));
  byId("open-privacy").addEventListener("click", showPrivacy);
}

/** Resolves to whether a key was given. */
function askForKey(problem: string): Promise<boolean> {
  const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true });
  input.value = key() ?? "";
  const remember = h("input", { type: "checkbox", id: "remember-key" });
  remember.checked = isKeyRemembered();
  if (problem) {
    input.setAttribute("aria-describedby", "key-problem");
    input.setAttribute("aria-invalid", "true");
  }
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "key-title" }, "API key"),
    problem ? h("p", { id: "key-problem", class: "problem" }, problem) : null,
    h("p", {}, "You need one only if this server asks for it. Its operator gives it to you. It is sent to this server only."),
    h("label", { for: "key" }, "Key"),
    input,
    h("p", { class: "check" }, remember, h("label", { for: "remember-key" }, "Remember it in this browser")),
    h("p", { class: "hint" }, "Otherwise it is forgotten when you close this tab."),
    h(
      "p",
      { class: "buttons" },
      h("button", { value: "use", class: "primary" }, "Use this key"),
      h("button", { value: "cancel", type: "submit", formnovalidate: true }, "Cancel"),
      key() ? h("button", { value: "forget", type: "submit", formnovalidate: true }, "Forget the key") : null,
    ),
  );
  return new Promise((resolve) => {
    const dialog = open(form, "key-title", (answer) => {
      if (answer === "forget") setKey(null);
      if (answer === "use" && input.value.trim()) setKey(input.value.trim(), remember.checked);
      resolve(answer === "use" && input.value.trim() !== "");
    });
    dialog.classList.add("narrow");
    input.focus();
  });
}

function showPrivacy(): void {
  const keep = h("input", { type: "checkbox", id: "keep" });
  keep.checked = db.isKeeping();
  keep.addEventListener("change", () => void switchKeeping(keep.checked));
  const alsoServer = h("input", { type: "checkbox", id: "also-server" });
  alsoServer.checked = true;
  const count = jobs.jobs.filter((job) => job.isOnServer).length;

  const forget = h("button", { type: "button", class: "danger" }, "Forget everything");
  forget.addEventListener("click", () => {
    forget.disabled = true;
    void forgetEverything(alsoServer.checked).then(() => dialog.close());
  });
  const dialog = open(
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "privacy-title" }, "Privacy"),
      h("p", {}, "Recordings go to this server and nowhere else. It deletes the audio as soon as the text is complete. It deletes each text at the time that is shown beside it. The button “Delete on the server now” above a text deletes it at once."),
      h("p", { class: "check" }, keep, h("label", { for: "keep" }, "Keep recordings and texts in this browser")),
      h("p", { class: "hint" }, "Then they are still here after you close the page. Otherwise they are lost."),
      h("h3", {}, "Forget everything"),
      h("p", {}, "Deletes all recordings, all texts and the API key from this browser."),
      h(
        "p",
        { class: "check" },
        alsoServer,
        h("label", { for: "also-server" }, `Also delete on the server (${count === 1 ? "1 job" : `${count} jobs`})`),
      ),
      h("p", { class: "buttons" }, forget, h("button", { value: "close" }, "Close")),
    ),
    "privacy-title",
    () => {},
  );
}

/** Asks before a text is deleted. Resolves to whether to go on. */
export function confirmRemoval(name: string, isOnServer: boolean): Promise<boolean> {
  const cancel = h("button", { value: "cancel" }, "Cancel");
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "removal-title", dir: "auto" }, `Remove ${name}?`),
    h("p", {}, `Deletes the recording and its text, with your corrections, in this browser${isOnServer ? " and on the server" : ""}.`),
    h("p", { class: "buttons" }, h("button", { value: "remove", class: "danger" }, "Delete"), cancel),
  );
  return new Promise((resolve) => {
    open(form, "removal-title", (answer) => resolve(answer === "remove")).classList.add("narrow");
    cancel.focus();
  });
}

async function switchKeeping(isOn: boolean): Promise<void> {
  if (!isOn) await jobs.holdAll();
  await db.setKeeping(isOn);
  if (isOn) await jobs.keepAll();
  notify(isOn ? "Recordings and texts are kept in this browser." : "Nothing is kept in this browser beyond this visit.");
}

async function forgetEverything(alsoOnServer: boolean): Promise<void> {
  let left = 0;
  if (alsoOnServer) {
    for (const job of jobs.jobs.filter((job) => job.isOnServer)) {
      await jobs.deleteOnServer(job).catch(() => (left += 1));
    }
  }
  await jobs.forgetAll();
  setKey(null);
  const keeps = db.isKeeping();
  localStorage.clear();
  sessionStorage.clear();
  if (!keeps) await db.setKeeping(false);
  location.hash = "";
  notify(left > 0 ? `Forgotten here. ${left} could not be deleted on the server.` : "Everything is forgotten.");
}

/** Opens a modal dialog. `onClose` gets the value of the button that closed it. */
function open(content: HTMLElement, titleId: string, onClose: (answer: string) => void): HTMLDialogElement {
  const dialog = h("dialog", { "aria-labelledby": titleId }, content);
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose(dialog.returnValue);
  });
  dialog.showModal();
  return dialog;
}
