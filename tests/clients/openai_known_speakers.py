"""Known speakers with OpenAI's own Python client: openai_known_speakers.py BASE RECORDING NAME=REFERENCE…"""

import base64
import sys

import openai

base, recording, *pairs = sys.argv[1:]
names, references = zip(*(pair.split("=", 1) for pair in pairs))
client = openai.OpenAI(base_url=f"{base}/v1", api_key="unused", max_retries=0)


def data_url(path):
    with open(path, "rb") as file:
        return "data:audio/ogg;base64," + base64.b64encode(file.read()).decode()


def transcribe(references, **options):
    with open(recording, "rb") as file:
        return client.audio.transcriptions.create(
            file=file,
            model="gpt-4o-transcribe-diarize",
            language="en",
            response_format="diarized_json",
            chunking_strategy="auto",
            known_speaker_names=list(names),
            known_speaker_references=references,
            **options,
        )


urls = [data_url(path) for path in references]
answer = transcribe(urls)
assert type(answer).__name__ == "TranscriptionDiarized", type(answer)
spoken = [segment.speaker for segment in answer.segments]
assert set(spoken) == set(names), spoken
print("ok: diarized_json,", " ".join(spoken))

events = list(transcribe(urls, stream=True))
streamed = [event.speaker for event in events if event.type == "transcript.text.segment"]
assert streamed == spoken, streamed
print("ok: stream")

try:
    transcribe(urls[1:])
except openai.BadRequestError as error:
    assert error.body["param"] == "known_speaker_references", error.body
    assert error.body["code"] == "invalid_options", error.body
    print("ok: refused,", error.body["message"])
