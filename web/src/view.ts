// The view of one job: its text as it comes, then the text with player, search, editing and export.

import { exportMenu, printText, copyText } from "./exporting";
import { h, notify, setText } from "./dom";
import * as jobs from "./jobs";
import { languageName } from "./languages";
import { stateOf } from "./list";
import { type Player, playerOf } from "./player";
import { speakerFields, speakersOf } from "./speakers";
import { Transcript } from "./transcript";
import type { Job, Result } from "./types";
import { renderResult } from "./api";

export interface View {
  element: HTMLElement;
  close(): void;
}

/** Keeps the view of a job up to date until it is closed. */
export function jobView(job: Job): View {
  const state = h("p", { class: "job-state" });
  const bar = h("progress", { max: "1", "aria-label": "Progress" });
  const problem = h("p", { class: "problem", role: "alert" });
  const actions = h("div", { class: "buttons" });
  const body = h("div", { class: "body" });
  const element = h(
    "article",
    { class: "result" },
    h("p", { class: "back" }, h("a", { href: "#" }, "← All recordings")),
    h("h1", { dir: "auto" }, job.name),
    h("div", { class: "head" }, state, actions),
    bar,
    problem,
    body,
  );

  let shown: "nothing" | "live" | "result" = "nothing";
  let live: Transcript | null = null;
  let closeBody = () => {};
  let isClosed = false;

  const update = () => {
    if (isClosed) return;
    setText(state, stateOf(job));
    bar.hidden = job.stage !== "uploading" && job.stage !== "processing";
    bar.value = job.stage === "uploading" ? job.sent : job.progress;
    problem.hidden = !job.problem;
    setText(problem, job.problem ?? "");
    drawActions();

    if (job.result && shown !== "result") {
      closeBody();
      shown = "result";
      closeBody = resultBody(job, job.result, body);
    } else if (!job.result && job.live.length > 0) {
      if (!live) {
        shown = "live";
        live = new Transcript(job.live, false, { onPlay: () => {}, onPause: () => {}, onEdit: () => {}, onHistory: () => {} });
        body.replaceChildren(h("p", { class: "hint" }, "The text so far. You can correct it when it is complete."), live.element);
        closeBody = () => live?.close();
      }
      live.grow(job.live);
    }
  };

  const again = h("button", { type: "button", onclick: () => jobs.retry(job) }, "Try again");
  const deleteNow = h("button", { type: "button", class: "danger" }, "Delete on the server now");
  deleteNow.onclick = () =>
    void jobs.deleteOnServer(job).then(
      () => notify(job.result ? "Deleted on the server. The text is still in this browser." : "Deleted on the server."),
      (error: Error) => notify(`Not deleted: ${error.message}`),
    );
  const drawActions = () => {
    again.hidden = !jobs.canRetry(job);
    deleteNow.hidden = !job.isOnServer;
    setText(deleteNow, job.stage === "completed" || job.stage === "failed" ? "Delete on the server now" : "Cancel");
    if (actions.childElementCount === 0) actions.append(again, deleteNow);
  };

  // Segments may come by the hundred: the view is drawn once for all that come before the next frame.
  let frame = 0;
  const draw = () => {
    frame = 0;
    update();
  };
  const listen = (changed: Job | null) => {
    if (changed === job) frame ||= requestAnimationFrame(draw);
  };
  jobs.onChange(listen);
  // Rows need a place on the page to be measured.
  queueMicrotask(update);
  return {
    element,
    close() {
      isClosed = true;
      jobs.offChange(listen);
      closeBody();
    },
  };
}

/** Fills `body` with a finished text. Returns what closes it. */
function resultBody(job: Job, result: Result, body: HTMLElement): () => void {
  if (result.segments.length === 0) {
    body.replaceChildren(h("p", { class: "card" }, "No speech was found in this recording."));
    return () => {};
  }
  let player: Player | null = null;
  const undo = h("button", { type: "button", "aria-keyshortcuts": "Control+Z" }, "Undo");
  const redo = h("button", { type: "button", "aria-keyshortcuts": "Control+Y" }, "Redo");
  const follow = h("input", { type: "checkbox", id: "follow" });
  follow.checked = true;
  const following = h("span", { class: "check", hidden: true }, follow, h("label", { for: "follow" }, "Follow the sound"));

  let isStale = false;
  const drawHistory = () => {
    undo.hidden = redo.hidden = !transcript.canUndo && !transcript.canRedo;
    undo.disabled = !transcript.canUndo;
    redo.disabled = !transcript.canRedo;
  };
  const onEdit = () => {
    jobs.edited(job);
    isStale = true;
    scheduleCaptions();
  };
  const speakers = speakersOf(result);
  const transcript = new Transcript(
    result.segments,
    true,
    { onPlay: (seconds) => player?.playAt(seconds), onPause: () => player?.media.pause(), onEdit, onHistory: drawHistory },
    speakers,
  );
  const onRename = () => {
    transcript.setSpeakers(speakersOf(result));
    onEdit();
  };
  undo.onclick = () => transcript.undo();
  redo.onclick = () => transcript.redo();
  drawHistory();

  // Subtitles over a video, always of the text as it is.
  let timer = 0;
  let captions: HTMLTrackElement | null = null;
  const drawCaptions = async () => {
    if (!(player?.media instanceof HTMLVideoElement)) return;
    isStale = false;
    const vtt = await renderResult(result, job.options.task, "vtt").catch(() => null);
    if (!vtt || !player) return;
    const track = h("track", { kind: "subtitles", label: "Transcript", srclang: result.language ?? "en", default: true });
    track.src = URL.createObjectURL(new Blob([vtt], { type: "text/vtt" }));
    if (captions) URL.revokeObjectURL(captions.src);
    captions?.remove();
    captions = track;
    player.media.append(track);
    track.track.mode = "showing";
  };
  const scheduleCaptions = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => isStale && void drawCaptions(), 1500);
  };

  const playerPlace = h("div", { class: "player-place" });
  const guide = h("p", { class: "hint guide" }, "To correct the text, press Edit.");
  const place = h("section", { class: "reader", "aria-label": "Text and player" }, playerPlace, tools(), speakers.length > 0 && speakerFields(result, onRename), guide, transcript.element);
  body.replaceChildren(facts(result), place, help());
  transcript.draw();
  const onKey = (event: KeyboardEvent) => keys(event);
  place.addEventListener("keydown", onKey);

  void jobs.recordingOf(job.id).then((recording) => {
    if (!recording || !place.isConnected) {
      const reason = job.address ? "The server downloaded the recording" : "This browser no longer has the recording";
      playerPlace.replaceChildren(h("p", { class: "hint" }, `${reason}, so it cannot be played here.`));
      return;
    }
    const isVideo = (recording.type || job.type).startsWith("video/");
    const marks = (seconds: number) => transcript.mark(seconds, follow.checked);
    player = playerOf(recording, isVideo, result.duration_seconds, () => result.segments, marks);
    playerPlace.replaceChildren(player.element);
    following.hidden = false;
    setText(guide, "Click a word to hear it. To correct the text, press Edit.");
    void drawCaptions();
  });

  return () => {
    clearTimeout(timer);
    player?.close();
    transcript.close();
    if (captions) URL.revokeObjectURL(captions.src);
  };

  function tools(): HTMLElement {
    const search = h("input", { type: "search", id: "search", placeholder: "Search", "aria-label": "Search the text" });
    const found = h("span", { class: "found-count", role: "status" });
    const say = (number: number, count: number) => setText(found, search.value.trim() ? (count ? `${number} of ${count}` : "not found") : "");
    let count = 0;
    search.addEventListener("input", () => {
      count = transcript.search(search.value);
      say(count ? 1 : 0, count);
    });
    const go = (by: number) => say(transcript.nextMatch(by), count);
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      go(event.shiftKey ? -1 : 1);
    });
    const unsure = h("input", { type: "checkbox", id: "unsure" });
    unsure.checked = true;
    unsure.onchange = () => transcript.setMarking(unsure.checked);
    const hasWords = result.segments.some((segment) => segment.words);
    return h(
      "div",
      { class: "tools" },
      h("div", { class: "group" }, exportMenu(job, result), h("button", { type: "button", onclick: () => void copyText(job, result) }, "Copy"), h("button", { type: "button", onclick: () => printText(job, result) }, "Print"), undo, redo),
      h("div", { class: "group" }, search, h("button", { type: "button", "aria-label": "Previous find", onclick: () => go(-1) }, "↑"), h("button", { type: "button", "aria-label": "Next find", onclick: () => go(1) }, "↓"), found),
      h(
        "div",
        { class: "group" },
        hasWords && h("span", { class: "check" }, unsure, h("label", { for: "unsure" }, "Mark unsure words")),
        following,
      ),
    );
  }

  function keys(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const isCommand = event.ctrlKey || event.metaKey;
    if (target.closest("input:not([type=range]):not([type=checkbox]), textarea, select")) return;
    if (isCommand && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) transcript.redo();
      else transcript.undo();
      return;
    }
    if (isCommand && event.key.toLowerCase() === "y") {
      event.preventDefault();
      transcript.redo();
      return;
    }
    if (isCommand || event.altKey) return;
    const isControl = target.closest("button, a, summary, input") !== null;
    const isRow = target.closest(".transcript") !== null;
    if (event.key === " " && (!isControl || isRow)) player?.toggle();
    else if (event.key === "ArrowLeft" && !target.closest("input")) player?.step(-5);
    else if (event.key === "ArrowRight" && !target.closest("input")) player?.step(5);
    else if (event.key === "ArrowUp" && !target.closest("input")) hear(transcript.move(-1));
    else if (event.key === "ArrowDown" && !target.closest("input")) hear(transcript.move(1));
    else if (event.key === "<" || event.key === ">") player?.changeSpeed(event.key === "<" ? -1 : 1);
    else return;
    event.preventDefault();
  }

  /** Goes to a segment without starting or stopping the sound. */
  function hear(seconds: number | null): void {
    if (player && seconds !== null) player.media.currentTime = seconds + 0.01;
  }
}

function facts(result: Result): HTMLElement {
  const language = result.language ? languageName(result.language) : "no speech";
  const warnings = result.warnings.map((warning) => h("li", {}, warning.detail));
  return h(
    "div",
    { class: "facts" },
    h("p", { class: "hint" }, `${language}, model ${result.model}`),
    warnings.length > 0 && h("ul", { class: "warnings", "aria-label": "Warnings" }, ...warnings),
  );
}

function help(): HTMLElement {
  const row = (key: string, what: string) => h("li", {}, h("kbd", {}, key), ` ${what}`);
  return h(
    "details",
    { class: "help with-mouse" },
    h("summary", {}, "Keyboard shortcuts"),
    h(
      "ul",
      {},
      row("Space", "plays and pauses"),
      row("← →", "go back and forward by 5 seconds"),
      row("↑ ↓", "go to the segment before or after"),
      row("Enter", "edits the segment, and saves it; Escape cancels"),
      row("Ctrl Z", "undoes a change; Ctrl Y redoes it"),
      row("< >", "play slower and faster"),
    ),
    h("p", { class: "hint" }, "They work while the focus is on the player or the text. A double click on a segment edits it too."),
  );
}

