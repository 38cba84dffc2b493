// Who speaks: a colour for each speaker, and fields to rename them before export.

import { announce, h } from "./dom";
import type { Result } from "./types";

/** Colours in style.css. With more speakers they repeat; the name is always written too. */
const COLORS = 8;

/** The speakers in the order of their first words. Empty if the recording has no speaker labels. */
export function speakersOf(result: Result): string[] {
  return [...new Set(result.segments.flatMap((segment) => segment.speaker ?? []))];
}

/** The class with the colour of a speaker. */
export function speakerClass(speaker: string, speakers: string[]): string {
  return `speaker-${speakers.indexOf(speaker) % COLORS}`;
}

/** Replaces a speaker's name everywhere in a result. Giving two speakers the same name joins them. */
export function renameSpeaker(result: Result, from: string, to: string): void {
  const rename = (labelled: { speaker?: string }) => {
    if (labelled.speaker === from) labelled.speaker = to;
  };
  for (const segment of result.segments) {
    rename(segment);
    segment.words?.forEach(rename);
  }

  const all = result.speakers ?? [];
  const own = all.find((speaker) => speaker.speaker === from);
  const other = all.find((speaker) => speaker.speaker === to);
  if (!own) return;
  if (other) {
    other.turns = [...other.turns, ...own.turns].sort((a, b) => a.start - b.start);
    other.seconds += own.seconds;
    result.speakers = all.filter((speaker) => speaker !== own);
  } else {
    own.speaker = to;
  }
}

/** One field for each speaker's name. `onRename` is called after a name has changed. */
export function speakerFields(result: Result, onRename: () => void): HTMLElement {
  const fields = h("ul", {});
  const draw = () => fields.replaceChildren(...speakersOf(result).map((speaker, index, all) => h("li", {}, ...field(speaker, index, all))));

  const field = (speaker: string, index: number, all: string[]): HTMLElement[] => {
    const id = `speaker-name-${index}`;
    const input = h("input", { type: "text", id, maxlength: "40", autocomplete: "off", spellcheck: "false", dir: "auto", value: speaker });
    input.onchange = () => {
      const name = cleanName(input.value);
      if (name === "" || name === speaker) {
        input.value = speaker;
        return;
      }
      renameSpeaker(result, speaker, name);
      draw();
      onRename();
      announce(`${speaker} is now ${name}.`);
    };
    const label = h("label", { for: id, class: speakerClass(speaker, all) }, `Speaker ${index + 1}`);
    return [label, input];
  };

  draw();
  return h("section", { class: "speakers", "aria-label": "Speakers" }, fields);
}

/** A name on one line, without the characters that have a meaning in WebVTT. */
function cleanName(text: string): string {
  return text.replace(/[<>&]/g, "").replace(/\s+/g, " ").trim();
}
