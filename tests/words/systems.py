"""The three systems that are measured. Each returns {id: {"text", "segments", "error"}} for a list of items."""

import hashlib
import json
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile

from material import ROOT

# Version of the peers' cached answers. Change it when a peer changes.
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
    """A peer. Its answers are cached by the hash of the recording, because they do not change with Steno."""

    def __init__(self, folder):
        self.folder = folder / self.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cost = {}

    def transcribe(self, items):
        places = {item.id: self.place(item) for item in items}
        missing = [item for item in items if not places[item.id].exists()]
        with tempfile.TemporaryDirectory() as scratch:
            decoded = [(item, decode(item, pathlib.Path(scratch) / str(n))) for n, item in enumerate(missing)]
            answers = self.compute([(item, samples) for item, samples in decoded if samples]) if missing else []
            for item, samples in decoded:
                if samples is None:
                    self.keep(places[item.id], refused("cannot be decoded"))
            for count, (id, answer) in enumerate(answers, 1):
                self.keep(places[id], answer)
                progress(self.name, count, len(missing))
        return {id: json.loads(place.read_text()) for id, place in places.items()}

    def place(self, item):
        key = hashlib.sha256(f"{PEERS_VERSION} {item.language} ".encode())
        key.update(item.path.read_bytes())
        return self.folder / f"{key.hexdigest()}.json"

    def keep(self, place, answer):
        place.write_text(json.dumps(answer, ensure_ascii=False))


class FasterWhisper(Cached):
    """faster-whisper, int8, greedy, with its speech detection."""

    name = "faster-whisper"

    def __init__(self, folder, model):
        super().__init__(folder)
        self.model = model

    def compute(self, decoded):
        import numpy
        from faster_whisper import WhisperModel

        model = WhisperModel(self.model, device="cpu", compute_type="int8", cpu_threads=2)
        for item, samples in decoded:
            samples = numpy.fromfile(samples, "<f4")
            found, _ = model.transcribe(samples, beam_size=1, language=item.language, vad_filter=True)
            yield item.id, answer_of([{"start": s.start, "end": s.end, "text": s.text} for s in found])


class WhisperAlone(Cached):
    """whisper-rs on whole files, decoded as for faster-whisper."""

    name = "whisper-rs"

    def __init__(self, folder, driver):
        super().__init__(folder)
        self.driver = driver

    def compute(self, decoded):
        for line in drive(self.driver, "alone", decoded):
            yield line["id"], answer_of(line["result"]["segments"])


def decode(item, path):
    """Decodes a recording as faster-whisper does, or returns None. In a separate process, because PyAV can crash."""
    import faster_whisper.audio

    def write():
        try:
            faster_whisper.audio.decode_audio(str(item.path)).astype("<f4").tofile(path)
        except Exception as error:
            sys.exit(f"{item.id}: the peers cannot decode it: {error}")

    process = multiprocessing.get_context("fork").Process(target=write)
    process.start()
    process.join()
    return path if process.exitcode == 0 else None


def answer_of(segments):
    # Segments of languages without spaces are joined by one too: the score takes it out again.
    return {"text": " ".join(segment["text"] for segment in segments), "segments": segments, "error": None}


def refused(reason):
    return {"text": "", "segments": [], "error": reason}


def drive(driver, system, questions):
    """Runs the Rust driver and yields its lines as they arrive."""
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
