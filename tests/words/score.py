"""Errors, missed speech and hallucinated words of one transcript. A pure function of texts and times."""

import dataclasses

import jiwer

# Words (letters, where languages have no spaces) left out in a row that count as missed speech.
MISSED_RUN = {"WER": 3, "CER": 6}


@dataclasses.dataclass
class Score:
    """The errors of one transcript."""

    # Words of the reference, or letters.
    units: int = 0
    errors: int = 0
    # Units left out in runs, and the seconds of speech they represent.
    missed_units: int = 0
    missed_seconds: float = 0.0
    speech_seconds: float = 0.0
    # Words in the text of a recording without speech.
    hallucinated: int = 0
    # No text at all although there is speech.
    is_empty: bool = False
    hypothesis: str = ""

    @property
    def rate(self):
        return self.errors / self.units if self.units else 0.0


def score(item, answer, normalisers):
    """Scores the answer of a system: {"text", "segments", "error"}."""
    english, basic = normalisers
    normalise = english if item.metric == "WER/en" else basic
    reference = normalise(item.reference).strip()
    text = normalise(answer["text"]).strip()

    if item.metric == "SKIP":
        return Score(hypothesis=text)
    if item.metric == "INS":
        return Score(hallucinated=len(text.split()), hypothesis=text)

    kind = item.metric[:3]
    if kind == "CER":
        reference = " ".join("".join(reference.split()))
        text = " ".join("".join(text.split()))
    found = jiwer.process_words(reference, text)
    units = len(reference.split())

    deleted_runs = [c.ref_end_idx - c.ref_start_idx for c in found.alignments[0] if c.type == "delete"]
    missed_units = sum(run for run in deleted_runs if run >= min(MISSED_RUN[kind], units))

    missed_seconds = item.seconds * missed_units / units
    speech_seconds = item.seconds
    if item.speech is not None:
        speech_seconds = overlap(item.speech, [(0.0, item.seconds)])
        covered = [(segment["start"], segment["end"]) for segment in answer["segments"]]
        missed_seconds = speech_seconds - overlap(item.speech, covered)

    return Score(
        units=units,
        errors=found.substitutions + found.deletions + found.insertions,
        missed_units=missed_units,
        missed_seconds=missed_seconds,
        speech_seconds=speech_seconds,
        is_empty=not text,
        hypothesis=text,
    )


def overlap(a, b):
    """Returns the seconds covered by both lists of ranges."""
    total = 0.0
    joined_b = union(b)
    for start, end in union(a):
        total += sum(max(0.0, min(end, other_end) - max(start, other)) for other, other_end in joined_b)
    return total


def union(ranges):
    joined = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return joined
