"""Tables over scores, in Markdown, and a comparison with bounds."""

import csv
import dataclasses

WORST = 10


@dataclasses.dataclass
class Sum:
    """Scores of many recordings by one system."""

    files: int = 0
    words: int = 0
    word_errors: int = 0
    english: int = 0
    english_errors: int = 0
    letters: int = 0
    letter_errors: int = 0
    missed_seconds: float = 0.0
    speech_seconds: float = 0.0
    hallucinated: int = 0
    empty: int = 0
    refused: int = 0

    def add(self, item, answer, score):
        self.files += 1
        self.missed_seconds += score.missed_seconds
        self.speech_seconds += score.speech_seconds
        self.hallucinated += score.hallucinated
        self.refused += answer["error"] is not None
        self.empty += score.is_empty and answer["error"] is None

        if item.metric.startswith("CER"):
            self.letters += score.units
            self.letter_errors += score.errors
            return
        self.words += score.units
        self.word_errors += score.errors
        if item.metric == "WER/en":
            self.english += score.units
            self.english_errors += score.errors

    def cells(self):
        return [
            percent(self.word_errors, self.words),
            percent(self.english_errors, self.english),
            percent(self.letter_errors, self.letters),
            f"{self.missed_seconds:.1f} ({percent(self.missed_seconds, self.speech_seconds)})",
            str(self.hallucinated),
            str(self.empty),
            str(self.refused),
        ]


HEAD = ["WER %", "English", "CER %", "missed s (%)", "hallucinated", "empty", "refused"]


def percent(part, whole):
    return f"{100 * part / whole:.2f}" if whole else "–"


def tables(items, answers, scores):
    """Returns the tables: per set, per half, per condition, in sum, and the worst recordings."""
    sets = list(dict.fromkeys(item.set for item in items))
    conditions = sorted({item.condition for item in items})
    read_by_all = [item for item in items if all(found[item.id]["error"] is None for found in answers.values())]

    groups = [(f"set {name}", [item for item in items if item.set == name]) for name in sets]
    groups += [(f"half {half}", [item for item in items if item.half == half]) for half in "ab"]
    groups += [("all", items), ("all that every system reads", read_by_all)]
    by_condition = [(name, [item for item in items if item.condition == name]) for name in conditions]

    parts = [
        "## Sets\n\nA refused recording counts as one whose words are all lost.\n",
        table(groups, answers, scores),
        "\n## Conditions\n",
        table(by_condition, answers, scores),
        f"\n## The {WORST} worst of Steno, by errors\n",
        worst(items, answers, scores),
    ]
    return "\n".join(parts)


def table(groups, answers, scores):
    lines = ["| recordings | n | system | " + " | ".join(HEAD) + " |", "|" + " --- |" * (len(HEAD) + 3)]
    for name, members in groups:
        for system in answers:
            total = sum_of(members, answers[system], scores[system])
            if total.files:
                lines.append(f"| {name} | {total.files} | {system} | " + " | ".join(total.cells()) + " |")
    return "\n".join(lines)


def beyond_bounds(items, answers, scores, bounds):
    """Returns the figures of a set that exceed the bounds in the file."""
    broken = []
    with open(bounds, newline="", encoding="utf-8") as file:
        for bound in csv.DictReader(file, delimiter="\t"):
            members = [item for item in items if item.set == bound["set"]]
            total = sum_of(members, answers["steno"], scores["steno"])
            if not total.files:
                continue
            found = {
                "WER %": 100 * total.word_errors / max(total.words, 1),
                "CER %": 100 * total.letter_errors / max(total.letters, 1),
                "missed %": 100 * total.missed_seconds / max(total.speech_seconds, 1),
                "hallucinated": total.hallucinated,
                "empty": total.empty,
            }
            broken += [
                f"{bound['set']}: {name} is {value:.2f}, more than {bound[name]}"
                for name, value in found.items()
                if value > float(bound[name])
            ]
    return broken


def sum_of(items, answers, scores):
    total = Sum()
    for item in items:
        total.add(item, answers[item.id], scores[item.id])
    return total


def worst(items, answers, scores):
    own = scores["steno"]
    order = sorted(items, key=lambda item: own[item.id].errors + own[item.id].hallucinated, reverse=True)
    systems = list(answers)
    lines = ["| recording | " + " | ".join(systems) + " | Steno heard |", "|" + " --- |" * (len(systems) + 2)]
    for item in order[:WORST]:
        cells = [cell(item, scores[system][item.id]) for system in systems]
        heard = answers["steno"][item.id]["error"] or shortened(own[item.id].hypothesis)
        lines.append(f"| {item.id} | " + " | ".join(cells) + f" | {heard} |")
    return "\n".join(lines)


def cell(item, score):
    if item.metric == "INS":
        return f"{score.hallucinated} words"
    return f"{score.errors}/{score.units}, {100 * score.rate:.0f} %"


def texts(items, scores, normalisers):
    """Returns expected and actual text of every recording with an error of Steno."""
    lines = ["\n## Texts\n"]
    for item in items:
        own = scores["steno"][item.id]
        if own.errors + own.hallucinated == 0:
            continue
        normalise = normalisers[0] if item.metric == "WER/en" else normalisers[1]
        lines.append(f"{item.id} (half {item.half}, {item.condition}, {item.language})")
        lines.append(f"    reference: {normalise(item.reference).strip()}")
        for system, found in scores.items():
            lines.append(f"    {system} {cell(item, found[item.id])}: {found[item.id].hypothesis}")
    return "\n".join(lines)


def comparison(items, scores, earlier):
    """Returns the recordings whose text differs from an earlier run's, with both error counts."""
    lines = ["\n## Changed since " + earlier["commit"][:10] + "\n"]
    before_total = after_total = 0
    for item in items:
        before = earlier["files"].get(item.id, {}).get("systems", {}).get("steno")
        after = scores[item.id]
        if before is None:
            continue
        before_errors = before["errors"] + before["hallucinated"]
        after_errors = after.errors + after.hallucinated
        before_total += before_errors
        after_total += after_errors
        if before["hypothesis"] == after.hypothesis:
            continue
        mark = "worse" if after_errors > before_errors else "better" if after_errors < before_errors else "same"
        lines.append(f"- {mark}: {item.id} (half {item.half}), errors {before_errors} -> {cell(item, after)}")
        lines.append(f"    - before: {shortened(before['hypothesis'])}")
        lines.append(f"    - now: {shortened(after.hypothesis)}")
        lines.append(f"    - reference: {shortened(item.reference)}")
    lines.append(f"\nErrors of the recordings in both runs: {before_total} -> {after_total}")
    return "\n".join(lines)


def shortened(text, length=300):
    return text if len(text) <= length else text[:length] + " …"
