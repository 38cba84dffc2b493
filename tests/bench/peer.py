"""faster-whisper and whisper's own text normaliser, for the benchmark. One JSON line in, one out.

{"files": [...], "batch": 8, "beam": 1, "vad": true}    transcribes, answers {"words": n, "cpu": seconds}
{"manifest": path}                           answers the English files of a manifest that have a reference
{"manifest": path, "texts": [...]}           answers {"errors": n, "words": n} over them
"""

import csv
import json
import pathlib
import sys
import time

from peer_home import load_normalisers, unpack_model

HOME = pathlib.Path(sys.argv[1])


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

    model = WhisperModel(unpack_model(HOME), device="cpu", compute_type="int8", cpu_threads=2)
    batched = BatchedInferencePipeline(model)
    normalise, _ = load_normalisers(HOME)

    def transcribe(question):
        words = 0
        began = time.process_time()
        for file in question["files"]:
            if question["batch"]:
                segments, _ = batched.transcribe(
                    file, batch_size=question["batch"], beam_size=question["beam"], language="en"
                )
            else:
                segments, _ = model.transcribe(
                    file, beam_size=question["beam"], language="en", vad_filter=question["vad"]
                )
            words += sum(len(segment.text.split()) for segment in segments)
        return {"words": words, "cpu": time.process_time() - began}

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
