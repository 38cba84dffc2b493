#!/usr/bin/env python3
"""Counts the words of a transcript that have the right speaker: words.py RESULT.json REFERENCE.stm

    pip download --no-deps pyannote-audio==4.0.7 && unzip -j pyannote_audio-*.whl '*/sample.*'
    steno transcribe sample.wav --diarize --words --language en -f json -o result.json
    tests/dialogues/words.py result.json sample.stm

A line of the reference is a recording, a channel, a speaker, a start, an end, and what is said. The words of both are aligned
by their letters; a word that was misheard counts by its place. The speakers of both are matched so that the most words agree.
Words that the transcript lacks cannot have a speaker: they are wrong. Exits with 1 unless all words are right.
"""

import itertools
import json
import sys
from pathlib import Path


# Cost of a word that only one of both has.
GAP = 2


def letters(word):
    """What is compared of a word."""
    return "".join(char for char in word.lower() if char.isalnum())


def reference_words(path):
    """Pairs of a speaker and a word."""
    words = []
    for line in path.read_text().splitlines():
        _, _, speaker, _, _, *said = line.split()
        words += [(speaker, word) for word in said]
    return words


def transcript_words(path):
    """The same of a job with its result and words."""
    result = json.loads(path.read_text())["result"]
    words = [word for segment in result["segments"] for word in segment["words"]]
    return [(word["speaker"], part) for word in words for part in word["word"].split()]


def cost(word, other):
    """The cost of pairing two words: 0 if equal, else 3. A different pair is dearer than one gap (2) and cheaper than two."""
    return 0 if letters(word) == letters(other) else 3


def aligned(truth, found):
    """For each word of the truth the index of a word that was found, or None: at the least cost."""
    rows = [[column * GAP for column in range(len(found) + 1)]]
    for row, (_, word) in enumerate(truth, start=1):
        costs = [row * GAP]
        for column, (_, other) in enumerate(found, start=1):
            pair = rows[-1][column - 1] + cost(word, other)
            costs.append(min(pair, rows[-1][column] + GAP, costs[-1] + GAP))
        rows.append(costs)

    places = [None] * len(truth)
    row, column = len(truth), len(found)
    while row and column:
        pair = rows[row - 1][column - 1] + cost(truth[row - 1][1], found[column - 1][1])
        if rows[row][column] == pair:
            row, column = row - 1, column - 1
            places[row] = column
        elif rows[row][column] == rows[row - 1][column] + GAP:
            row -= 1
        else:
            column -= 1
    return places


def best_match(pairs):
    """The speaker of the truth for each one that was found."""
    names = sorted({own for own, _ in pairs})
    others = sorted({other for _, other in pairs})
    names += [None] * (len(others) - len(names))
    matches = [dict(zip(others, order)) for order in itertools.permutations(names, len(others))]
    return max(matches, key=lambda match: sum(match[other] == own for own, other in pairs))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    found = transcript_words(Path(sys.argv[1]))
    truth = reference_words(Path(sys.argv[2]))
    places = aligned(truth, found)

    there = [(own, found[place][0]) for (own, _), place in zip(truth, places) if place is not None]
    match = best_match(there)
    right = 0
    for (own, word), place in zip(truth, places):
        if place is not None and match[found[place][0]] == own:
            right += 1
        else:
            heard = "missing" if place is None else f"heard as {found[place][1]} of {found[place][0]}"
            print(f"{own}: {word}: {heard}")
    print(f"{right} of {len(truth)} words have the right speaker; the transcript has {len(found)} words")
    sys.exit(right < len(truth))


if __name__ == "__main__":
    main()
