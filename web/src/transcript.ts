// The text of a job: segments that are read, heard, searched and edited in place.

import { alignWords } from "./align";
import { announce, h } from "./dom";
import { speakerClass } from "./speakers";
import { clock } from "./time";
import type { Segment, Word } from "./types";
import { VirtualList } from "./virtual";

/** Below this probability a word is marked. */
const UNSURE = 0.5;
/** Height of a row before it is measured, in pixels. */
const ESTIMATE = 64;

interface Edit {
  index: number;
  before: { text: string; words?: Word[] };
  after: { text: string; words?: Word[] };
}

export interface TranscriptHandlers {
  /** A person wants to hear from here. */
  onPlay(seconds: number): void;
  /** A person begins to edit. */
  onPause(): void;
  onEdit(): void;
  /** Undo or redo became possible or impossible. */
  onHistory(): void;
}

export class Transcript {
  readonly element: HTMLElement;
  isMarkingUnsure = true;
  private readonly inner: HTMLElement;
  private readonly list: VirtualList;
  private readonly done: Edit[] = [];
  private readonly undone: Edit[] = [];
  private current = 0;
  private playing = -1;
  private playingWord: Element | null = null;
  private query = "";
  private matches: number[] = [];
  private match = -1;

  constructor(
    private segments: Segment[],
    private readonly isEditable: boolean,
    private readonly handlers: TranscriptHandlers,
    private speakers: string[] = [],
  ) {
    this.inner = h("div", { class: "rows", role: "list", "aria-label": "Transcript" });
    this.element = h("div", { class: "transcript", tabindex: "-1" }, this.inner);
    this.list = new VirtualList(this.element, this.inner, segments.length, ESTIMATE, (index) => this.row(index));
  }

  close(): void {
    this.list.close();
  }

  draw(): void {
    this.list.draw();
  }

  /** Shows further segments of a job that is under way. */
  grow(segments: Segment[]): void {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - 40;
    this.segments = segments;
    this.list.grow(segments.length, ESTIMATE);
    if (isAtEnd) this.element.scrollTop = this.element.scrollHeight;
  }

  /** Marks what is heard at a time, and keeps it in sight while `isFollowing`. */
  mark(seconds: number, isFollowing: boolean): void {
    const index = this.indexAt(seconds);
    if (index !== this.playing) {
      this.list.row(this.playing)?.removeAttribute("aria-current");
      this.playing = index;
      if (isFollowing && index >= 0 && !this.element.querySelector("textarea")) this.list.show(index);
      this.list.row(index)?.setAttribute("aria-current", "true");
    }
    const words = this.segments[index]?.words ?? [];
    const at = words.findIndex((word) => seconds >= word.start && seconds < word.end);
    const element = at < 0 ? null : (this.list.row(index)?.querySelector(`[data-word="${at}"]`) ?? null);
    if (element === this.playingWord) return;
    this.playingWord?.classList.remove("now");
    element?.classList.add("now");
    this.playingWord = element;
  }

  /** Moves the focus to a segment before or after. Returns its start. */
  move(by: number): number | null {
    const next = Math.min(this.segments.length - 1, Math.max(0, this.current + by));
    this.focus(next);
    return this.segments[next]?.start ?? null;
  }

  setMarking(isOn: boolean): void {
    this.isMarkingUnsure = isOn;
    this.list.renewAll();
  }

  /** Shows the names of speakers after a change. */
  setSpeakers(speakers: string[]): void {
    this.speakers = speakers;
    this.list.renewAll();
  }

  /** Finds a text. Returns how many segments have it. */
  search(query: string): number {
    this.query = query.trim().toLowerCase();
    this.matches = [];
    this.match = -1;
    this.segments.forEach((segment, index) => {
      if (this.query && segment.text.toLowerCase().includes(this.query)) this.matches.push(index);
    });
    this.list.renewAll();
    if (this.matches.length > 0) this.nextMatch(1);
    return this.matches.length;
  }

  /** Shows the next or, with -1, the previous find. Returns its number, from 1. */
  nextMatch(by: number): number {
    if (this.matches.length === 0) return 0;
    const old = this.matches[this.match];
    this.match = (this.match + by + this.matches.length) % this.matches.length;
    if (this.match < 0) this.match = 0;
    const index = this.matches[this.match] as number;
    if (old !== undefined) this.list.row(old)?.classList.remove("found");
    this.list.show(index)?.classList.add("found");
    this.setCurrent(index);
    return this.match + 1;
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  undo(): void {
    const edit = this.done.pop();
    if (!edit) return;
    this.undone.push(edit);
    this.put(edit.index, edit.before);
    announce("Undone.");
  }

  redo(): void {
    const edit = this.undone.pop();
    if (!edit) return;
    this.done.push(edit);
    this.put(edit.index, edit.after);
    announce("Done again.");
  }

  /** Replaces the text of a segment by a field to edit it. */
  edit(index: number): void {
    const segment = this.segments[index];
    const row = this.list.show(index);
    if (!segment || !row || !this.isEditable || row.querySelector("textarea")) return;
    this.setCurrent(index);
    this.handlers.onPause();
    const text = row.querySelector(".text") as HTMLElement;
    const field = h("textarea", { dir: "auto", "aria-label": `Text at ${clock(segment.start)}` });
    field.value = segment.text;
    const save = h("button", { type: "button", class: "primary" }, "Save");
    const cancel = h("button", { type: "button" }, "Cancel");
    const buttons = h("div", { class: "buttons" }, save, cancel);
    text.replaceChildren(field);
    text.after(buttons);
    row.querySelector(".edit")?.remove();
    const fit = () => {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight}px`;
    };
    field.addEventListener("input", fit);
    fit();
    field.focus();

    let isOver = false;
    const finish = (isKept: boolean, isFocused: boolean) => {
      if (isOver) return;
      isOver = true;
      const value = field.value.replace(/\s+/g, " ").trim();
      if (isKept && value !== segment.text) this.commit(index, value);
      else this.list.renew(index);
      if (isFocused) this.focus(index);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        finish(true, true);
      } else if (event.key === "Escape") {
        finish(false, true);
      }
    });
    // A change is kept when a person goes on elsewhere, and not yet when the focus goes to one of the buttons.
    const leave = (event: FocusEvent) => {
      if (!(event.relatedTarget instanceof Node) || !buttons.contains(event.relatedTarget)) finish(true, false);
    };
    field.addEventListener("blur", leave);
    for (const button of [save, cancel]) {
      button.onclick = () => finish(button === save, true);
      // Safari gives a button that is clicked no focus: the field must not lose it first.
      button.addEventListener("mousedown", (event) => event.preventDefault());
      button.addEventListener("keydown", (event) => event.stopPropagation());
    }
    buttons.addEventListener("focusout", (event) => {
      if (event.relatedTarget !== field) leave(event);
    });
  }

  private commit(index: number, text: string): void {
    const segment = this.segments[index] as Segment;
    const before = { text: segment.text, words: segment.words };
    const after = { text, words: segment.words && alignWords(text, segment.words) };
    this.done.push({ index, before, after });
    this.undone.length = 0;
    this.put(index, after);
    announce("Changed.");
  }

  private put(index: number, content: { text: string; words?: Word[] }): void {
    const segment = this.segments[index] as Segment;
    segment.text = content.text;
    if (content.words) segment.words = content.words;
    this.list.show(index);
    this.list.renew(index);
    this.handlers.onEdit();
    this.handlers.onHistory();
  }

  private focus(index: number): void {
    this.setCurrent(index);
    this.list.show(index)?.focus({ preventScroll: true });
  }

  /** Tab leads to this row. */
  private setCurrent(index: number): void {
    this.list.row(this.current)?.setAttribute("tabindex", "-1");
    this.current = index;
    this.list.row(index)?.setAttribute("tabindex", "0");
  }

  /** The last segment that has begun at a time, or -1. */
  private indexAt(seconds: number): number {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle] as Segment).start <= seconds + 0.01) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  private row(index: number): HTMLElement {
    const segment = this.segments[index] as Segment;
    const time = h("button", { type: "button", class: "at", tabindex: "-1", "aria-label": `Play from ${clock(segment.start)}` }, clock(segment.start));
    time.onclick = () => {
      this.setCurrent(index);
      this.handlers.onPlay(segment.start);
    };
    const text = h("p", { class: "text", dir: "auto", lang: segment.language ?? null }, this.content(segment));
    text.onclick = (event) => {
      const at = (event.target as Element).closest<HTMLElement>("[data-word]")?.dataset["word"];
      const word = at === undefined ? undefined : segment.words?.[Number(at)];
      if (!(event.target instanceof HTMLTextAreaElement)) {
        this.setCurrent(index);
        this.handlers.onPlay(word?.start ?? segment.start);
      }
    };
    text.ondblclick = () => this.edit(index);
    const edit = h("button", { type: "button", class: "edit", tabindex: "-1", "aria-label": `Edit the text at ${clock(segment.start)}` }, "Edit");
    edit.onclick = () => this.edit(index);

    const row = h("div", { class: "row", role: "listitem", tabindex: index === this.current ? "0" : "-1" }, this.speaker(index), time, text, this.isEditable && edit);
    if (segment.speaker) row.classList.add(speakerClass(segment.speaker, this.speakers));
    row.onfocus = () => this.setCurrent(index);
    row.onkeydown = (event) => {
      if (event.target !== row || event.key !== "Enter") return;
      event.preventDefault();
      this.edit(index);
    };
    if (index === this.playing) row.setAttribute("aria-current", "true");
    if (index === this.matches[this.match]) row.classList.add("found");
    return row;
  }

  /** The name of the speaker, where another one spoke before. */
  private speaker(index: number): HTMLElement | null {
    const { speaker } = this.segments[index] as Segment;
    if (!speaker || this.segments[index - 1]?.speaker === speaker) return null;
    return h("p", { class: "speaker", dir: "auto" }, speaker);
  }

  private content(segment: Segment): DocumentFragment {
    const content = document.createDocumentFragment();
    let rest = segment.text;
    for (const [index, word] of (segment.words ?? []).entries()) {
      const at = rest.indexOf(word.word);
      if (at < 0) continue;
      content.append(...this.marked(rest.slice(0, at)));
      const isUnsure = this.isMarkingUnsure && word.probability < UNSURE;
      const title = isUnsure ? `Unsure: ${Math.round(word.probability * 100)} %` : null;
      content.append(h("span", { "data-word": index, class: isUnsure ? "unsure" : null, title }, ...this.marked(word.word)));
      rest = rest.slice(at + word.word.length);
    }
    content.append(...this.marked(rest));
    return content;
  }

  /** The text with what is searched for marked. A find that reaches over several words is shown by its row alone. */
  private marked(text: string): (Node | string)[] {
    if (!this.query || text === "") return [text];
    const parts: (Node | string)[] = [];
    const lower = text.toLowerCase();
    let from = 0;
    for (let at = lower.indexOf(this.query); at >= 0; at = lower.indexOf(this.query, from)) {
      parts.push(text.slice(from, at), h("mark", {}, text.slice(at, at + this.query.length)));
      from = at + this.query.length;
    }
    parts.push(text.slice(from));
    return parts;
  }
}
