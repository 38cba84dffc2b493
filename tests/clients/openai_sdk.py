"""OpenAI's own Python client against a running server. Called by the end-to-end tests: openai_sdk.py BASE RECORDING TEXT_FILE."""

import sys

import openai

base, recording, text_file, not_audio = sys.argv[1:5]
expected = open(text_file, encoding="utf-8").read().lower().split()
client = openai.OpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0)


def words(text):
    return "".join(c if c.isalnum() or c in "' " else " " for c in text.lower()).split()


def check(what, text):
    reference = words(" ".join(expected))
    assert words(text) == reference, f"{what}: {text!r}"
    print("ok:", what)


def transcribe(**options):
    with open(recording, "rb") as file:
        return client.audio.transcriptions.create(file=file, model="whisper-1", language="en", **options)


answer = transcribe()
check("json", answer.text)
assert answer.usage.type == "duration" and answer.usage.seconds > 0, answer

check("text", transcribe(response_format="text"))
srt = transcribe(response_format="srt")
assert srt.startswith("1\n00:00:0"), srt
check("srt", " ".join(line for line in srt.splitlines() if line and not line.isdigit() and "-->" not in line))
vtt = transcribe(response_format="vtt")
assert vtt.startswith("WEBVTT\n\n"), vtt
check("vtt", " ".join(line for line in vtt.splitlines()[1:] if line and "-->" not in line))

verbose = transcribe(response_format="verbose_json")
check("verbose_json", verbose.text)
assert verbose.language == "english" and verbose.duration > 0 and verbose.words is None
segment = verbose.segments[0]
assert segment.id == 0 and segment.seek == 0 and segment.tokens and segment.avg_logprob < 0, segment

spoken = transcribe(response_format="verbose_json", timestamp_granularities=["word"])
check("words", " ".join(word.word for word in spoken.words))
assert spoken.segments is None
assert all(a.end <= b.start for a, b in zip(spoken.words, spoken.words[1:])), spoken.words
both = transcribe(response_format="verbose_json", timestamp_granularities=["word", "segment"])
assert both.words and both.segments

events = list(transcribe(stream=True))
check("stream", "".join(event.delta for event in events if event.type == "transcript.text.delta"))
assert events[-1].type == "transcript.text.done", events[-1]
assert events[-1].usage.total_tokens > 0, events[-1]
check("stream's end", events[-1].text)

# One channel is one speaker; no network is needed for it.
labelled = {
    "model": "gpt-4o-transcribe-diarize",
    "response_format": "diarized_json",
    "chunking_strategy": "auto",
    "extra_body": {"channels": "split"},
}
with open(recording, "rb") as file:
    answer = client.audio.transcriptions.create(file=file, language="en", **labelled)
assert type(answer).__name__ == "TranscriptionDiarized", type(answer)
check("diarized_json", " ".join(segment.text for segment in answer.segments))
assert {segment.speaker for segment in answer.segments} == {"A"} and answer.duration > 0, answer
with open(recording, "rb") as file:
    events = list(client.audio.transcriptions.create(file=file, language="en", stream=True, **labelled))
segments = [event for event in events if event.type == "transcript.text.segment"]
check("diarized stream", " ".join(event.text for event in segments))
assert all(event.speaker == "A" and event.end > event.start for event in segments), segments
assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == events[-1].text

with open(recording, "rb") as file:
    translated = client.audio.translations.create(file=file, model="whisper-1")
check("translation of English", translated.text)
with open(recording, "rb") as file:
    translated = client.audio.translations.create(file=file, model="whisper-1", response_format="verbose_json")
assert translated.language == "english", translated

models = [model.id for model in client.models.list()]
assert models[:2] == ["base", "whisper-1"], models
assert client.models.retrieve("whisper-1").id == "whisper-1"


def refused(kind, call):
    try:
        call()
    except kind as error:
        body = error.body
        assert set(body) == {"message", "type", "param", "code"}, body
        print("ok: refused,", body["code"])
        return body
    raise AssertionError(f"nothing was refused, expected {kind}")


with open(not_audio, "rb") as file:
    body = refused(openai.BadRequestError, lambda: client.audio.transcriptions.create(file=file, model="whisper-1"))
assert body["code"] == "unsupported_media" and body["param"] == "file", body
body = refused(openai.NotFoundError, lambda: client.models.retrieve("whisper-9"))
assert body["code"] == "model_not_found", body
with open(recording, "rb") as file:
    body = refused(openai.BadRequestError, lambda: client.audio.transcriptions.create(file=file, model="whisper-9"))
assert body["code"] == "model_not_found", body
body = refused(openai.BadRequestError, lambda: transcribe(temperature=7))
assert body["param"] == "temperature", body

check("unknown fields have no effect", transcribe(extra_body={"colour": "red", "vad_filter": True}).text)
check("gpt-4o-transcribe", transcribe(chunking_strategy={"type": "server_vad"}, include=["logprobs"]).text)

raw = client.audio.transcriptions.with_raw_response
with open(recording, "rb") as file:
    first = raw.create(file=file, model="whisper-1", prompt="again").headers["x-job-id"]
with open(recording, "rb") as file:
    again = raw.create(file=file, model="whisper-1", prompt="again").headers["x-job-id"]
assert first == again, "the same upload is the same job"
print("ok: attached to the same job")
