"""The recordings that `make words` measures, from the manifests beside the checkout and those of the fixtures."""

import csv
import dataclasses
import hashlib
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPEN_SETS = ROOT.parent / "shared/audio"
SETS = ("open", "open2", "cases", "fixtures")

# The first condition whose pattern occurs in "SET METRIC LANGUAGE FILE NOTE" is a file's condition.
CONDITIONS = [
    ("no speech", r" INS "),
    ("fixtures", r"^fixtures "),
    ("cases: files of every make", r"^cases \S+ \S+ a"),
    ("cases: voices", r"^cases "),
    ("meetings, conversations", r"MEETING|CONVERSATION"),
    ("children", r"child of"),
    ("one word, commands", r"one digit|one word|short command|SHOUT|playing cards| command"),
    ("quiet, clipped, masked", r"QUIET|CLIPPED|MUSIC|BABBLE|LONG near"),
    ("one sentence in every format", r"^open \S+ \S+ (en_jfk|two_tracks)"),
    ("languages without spaces", r" CER/"),
    ("other languages", r" WER/basic "),
    ("accents", r"accent"),
    ("English, read and spoken", r""),
]


@dataclasses.dataclass
class Item:
    """A recording and its expected text."""

    id: str
    set: str
    path: pathlib.Path
    seconds: float
    # None: the language is to be detected.
    language: str | None
    # WER/en, WER/basic, CER/basic, INS (no words at all) or SKIP (transcribed but not scored).
    metric: str
    reference: str
    expectation: str
    condition: str = ""
    # Speech as (start, end) in seconds, where an .rttm file is present.
    speech: list | None = None

    @property
    def half(self):
        """Half a is for tuning, half b for judging. Recordings of the same sentence are in the same half."""
        key = self.reference if self.metric != "INS" else self.id
        return "ab"[hashlib.sha256(key.encode()).digest()[0] & 1]

    @property
    def may_be_refused(self):
        return "told" in self.expectation or "unsupported_media" in self.expectation


def read_items():
    """Returns every recording of the sets that are present."""
    items = []
    for name in ("open", "open2"):
        items += [open_item(name, row) for row in rows(OPEN_SETS / name)]
    items += [case(row) for row in rows(OPEN_SETS / "cases")]
    items += fixtures()

    for item in items:
        item.condition = condition(item)
        item.speech = read_rttm(item.path.with_suffix(".rttm"))
    return items


def rows(folder):
    manifest = folder / "manifest.tsv"
    if not manifest.exists():
        return []
    with open(manifest, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def open_item(name, row):
    metric = row["metric"] if row["metric"] in ("WER/en", "WER/basic", "CER/basic", "INS") else "SKIP"
    # A language is named for sounds without speech too, as a client would.
    language = "en" if row["language"] == "-" else row["language"]
    return Item(
        id=f"{name}/{row['file']}",
        set=name,
        path=OPEN_SETS / name / row["file"],
        seconds=float(row["seconds"]),
        language=language,
        metric=metric,
        reference="" if metric == "INS" else row["reference"],
        expectation=row.get("note") or "",
    )


def case(row):
    is_speech = row["reference"] != "(no words)"
    # The recording in two languages is the one whose language is not given.
    has_two_languages = "spanish" in row["file"]
    metric = "WER/basic" if has_two_languages else "WER/en"
    return Item(
        id=f"cases/{row['file']}",
        set="cases",
        path=OPEN_SETS / "cases" / row["file"],
        seconds=float(row["seconds"]),
        language=None if has_two_languages else "en",
        metric=metric if is_speech else "INS",
        reference=row["reference"] if is_speech else "",
        expectation=row["expectation"],
    )


def fixtures():
    folder = ROOT / "tests/fixtures"
    items = []
    for line in (folder / "manifest.tsv").read_text().splitlines():
        name, kind, _, text = line.split("\t")
        if kind not in ("good", "silent"):
            continue
        reference = (folder / text).read_text() if kind == "good" else ""
        metric = "WER/en" if kind == "good" else "INS"
        language = None if name.startswith("two_languages") else "en"
        items.append(Item(f"fixtures/{name}", "fixtures", folder / name, 0, language, metric, reference, ""))
    return items


def condition(item):
    text = f"{item.set} {item.metric} {item.language} {item.path.name} {item.expectation}"
    return next(name for name, pattern in CONDITIONS if re.search(pattern, text))


def read_rttm(path):
    if not path.exists():
        return None
    fields = [line.split() for line in path.read_text().splitlines()]
    return [(float(f[3]), float(f[3]) + float(f[4])) for f in fields if f and f[0] == "SPEAKER"]
