"""The three systems that are measured. Each returns {id: {"text", "segments", "error"}} for a list of items."""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

from material import ROOT

# What the answers of the peers depend on besides the recording. Change it where one of the peers changes.
PEERS_VERSION = "whisper-rs-0.16.0 faster-whisper-1.2.1 1"


class Steno:
    """The whole service of this checkout: two slots, default settings."""

    name = "steno"

    def __init__(self, driver):
        self.driver = driver
        self.cost = {}

    def transcribe(self, items):
        answers = {}
        for line in drive(self.driver, "service", [(item, item.path) for item in items]):
            if line["id"] is None:
                self.cost = {key: round(value, 2) for key, value in line.items() if value is not None}
                continue
            answers[line["id"]] = steno_answer(line)
            progress(self.name, len(answers), len(items))
        return answers


def steno_answer(line):
    result = line.get("result") or {}
    known = ("text", "segments", "words")
    return {
        "text": result.get("text") or "",
        "segments": [trimmed(segment) for segment in result.get("segments") or []],
        "error": line["error"],
        # Coverage, warnings, languages.
        "more": {key: value for key, value in result.items() if key not in known},
    }


def trimmed(segment):
    tokens = segment.pop("tokens", [])
    return {**segment, "token_count": len(tokens)}


class Cached:
    """A peer, whose answers are kept by the recording's hash: they do not change with Steno."""

    def __init__(self, folder):
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cost = {}

    def transcribe(self, items):
        places = {item.id: self.place(item) for item in items}
        missing = [item for item in items if not places[item.id].exists()]
        if missing:
            for count, (id, answer) in enumerate(self.compute(missing), 1):
                places[id].write_text(json.dumps(answer, ensure_ascii=False))
                progress(self.name, count, len(missing))
        return {id: json.loads(place.read_text()) for id, place in places.items()}

    def place(self, item):
        key = hashlib.sha256(f"{PEERS_VERSION} {item.language} ".encode())
        key.update(item.path.read_bytes())
        return self.folder / f"{key.hexdigest()}.json"


class FasterWhisper(Cached):
    """faster-whisper, int8, greedy, with its speech detection."""

    name = "faster-whisper"

    def __init__(self, folder, model):
        super().__init__(folder)
        self.model = model

    def compute(self, items):
        from faster_whisper import WhisperModel

        model = WhisperModel(self.model, device="cpu", compute_type="int8", cpu_threads=2)
        for item in items:
            try:
                found, _ = model.transcribe(str(item.path), beam_size=1, language=item.language, vad_filter=True)
                segments = [{"start": s.start, "end": s.end, "text": s.text} for s in found]
                yield item.id, answer_of(segments)
            # PyAV and faster-whisper have many errors for a file that cannot be read.
            except Exception as error:
                yield item.id, refused(error)


class WhisperAlone(Cached):
    """whisper-rs on whole files, decoded as for faster-whisper."""

    name = "whisper-rs"

    def __init__(self, folder, driver):
        super().__init__(folder)
        self.driver = driver

    def compute(self, items):
        from faster_whisper.audio import decode_audio

        with tempfile.TemporaryDirectory() as scratch:
            questions = []
            for number, item in enumerate(items):
                path = pathlib.Path(scratch) / str(number)
                try:
                    decode_audio(str(item.path)).astype("<f4").tofile(path)
                    questions.append((item, path))
                except Exception as error:
                    yield item.id, refused(error)

            for line in drive(self.driver, "alone", questions):
                yield line["id"], answer_of(line["result"]["segments"])


def answer_of(segments):
    # Segments of languages without spaces are joined by one too: the score takes it out again.
    return {"text": " ".join(segment["text"] for segment in segments), "segments": segments, "error": None}


def refused(error):
    return {"text": "", "segments": [], "error": f"{type(error).__name__}: {error}"}


def drive(driver, system, questions):
    """Asks the Rust driver; yields its lines as they come."""
    lines = [json.dumps({"id": item.id, "path": str(path), "language": item.language}) for item, path in questions]
    with tempfile.TemporaryFile("w+") as asked:
        asked.write("\n".join(lines))
        asked.seek(0)
        process = subprocess.Popen([driver, system], stdin=asked, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            for line in process.stdout:
                yield json.loads(line)
            if process.wait() != 0:
                sys.exit(f"words: {driver} {system} failed")
        finally:
            process.kill()


def progress(name, done, total):
    if done == total or done % 20 == 0:
        print(f"{name}: {done} of {total}", file=sys.stderr, flush=True)
