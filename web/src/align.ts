// Gives the words of an edited text the times of the words they came from.

import type { Word } from "./types";

/** The words of `text`. A word that was there before keeps its time; new ones share the time between their neighbours. */
export function alignWords(text: string, before: Word[]): Word[] {
  const texts = splitWords(text, before);
  const pairs = common(
    texts.map(plain),
    before.map((word) => plain(word.word)),
  );
  const words: Word[] = [];
  for (let from = 0; from < texts.length; ) {
    const kept = pairs.get(from);
    if (kept !== undefined) {
      words.push({ ...(before[kept] as Word), word: texts[from] as string });
      from += 1;
      continue;
    }
    let to = from;
    while (to < texts.length && !pairs.has(to)) to += 1;
    words.push(...share(texts.slice(from, to), before, pairs.get(from - 1) ?? -1, pairs.get(to) ?? before.length));
    from = to;
  }
  return words;
}

/** New words in place of `before[after + 1 .. until]`. A person wrote them: they are certain. */
function share(texts: string[], before: Word[], after: number, until: number): Word[] {
  const replaced = before.slice(after + 1, until);
  const start = replaced[0]?.start ?? before[after]?.end ?? before[until]?.start ?? 0;
  const end = Math.max(start, replaced.at(-1)?.end ?? before[until]?.start ?? before[after]?.end ?? start);
  const letters = texts.reduce((sum, text) => sum + text.length, 0);
  let passed = 0;
  return texts.map((word) => {
    const from = start + ((end - start) * passed) / letters;
    passed += word.length;
    return { word, start: from, end: start + ((end - start) * passed) / letters, probability: 1 };
  });
}

/** Words lie between spaces; in a script without spaces they stay the pieces that they were, where the text still has them. */
function splitWords(text: string, before: Word[]): string[] {
  const spaced = text.split(/\s+/).filter((word) => word !== "");
  if (before.length < spaced.length * 2) return spaced;
  const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });
  return spaced.flatMap((part) => {
    const words: string[] = [];
    for (const { segment, isWordLike } of segmenter.segment(part)) {
      if (isWordLike || words.length === 0) words.push(segment);
      else words[words.length - 1] += segment;
    }
    return words;
  });
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "") || word;
}

/** A longest common subsequence: which index of `a` stays which index of `b`. */
function common(a: string[], b: string[]): Map<number, number> {
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      (lengths[i] as Uint16Array)[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs = new Map<number, number>();
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.set(i++, j++);
    else if (at(i + 1, j) >= at(i, j + 1)) i += 1;
    else j += 1;
  }
  return pairs;
}
