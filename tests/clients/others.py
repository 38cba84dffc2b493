"""Clients of OpenAI's API that are not OpenAI's against a running server: LiteLLM, LangChain.

Called by the end-to-end tests: others.py BASE RECORDING TEXT_FILE.
"""

import sys

base, recording, text_file = sys.argv[1:4]


def words(text):
    return "".join(c if c.isalnum() or c in "' " else " " for c in text.lower()).split()


expected = words(open(text_file, encoding="utf-8").read())


def check(what, text):
    assert words(text) == expected, f"{what}: {text!r}"
    print("ok:", what)


def litellm_sdk():
    import litellm

    for model in ("openai/whisper-1", "openai/gpt-4o-transcribe", "openai/openai/whisper-base"):
        with open(recording, "rb") as file:
            answer = litellm.transcription(
                model=model, file=file, api_base=f"{base}/v1", api_key="unused", language="en", response_format="json"
            )
        check(f"litellm {model}", answer.text)


def langchain():
    from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
    from langchain_core.documents.base import Blob

    parser = OpenAIWhisperParser(api_key="unused", base_url=f"{base}/v1", language="en")
    documents = list(parser.lazy_parse(Blob.from_path(recording)))
    check("langchain OpenAIWhisperParser", " ".join(document.page_content for document in documents))


litellm_sdk()
langchain()
