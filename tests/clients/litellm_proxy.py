"""LiteLLM's proxy in front of a running server, called with OpenAI's client.

Called by the end-to-end tests: litellm_proxy.py BASE RECORDING TEXT_FILE FOLDER. Starts the proxy on a
free port, with its files in FOLDER, and ends it.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openai

base, recording, text_file, folder = sys.argv[1:5]
# Seconds until the proxy is ready, on a slow and busy machine.
PATIENCE = 300


def words(text):
    return "".join(c if c.isalnum() or c in "' " else " " for c in text.lower()).split()


expected = words(open(text_file, encoding="utf-8").read())


def check(what, text):
    assert words(text) == expected, f"{what}: {text!r}"
    print("ok:", what)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def model(name):
    parameters = {"model": f"openai/{name}", "api_base": f"{base}/v1", "api_key": "unused"}
    return {"model_name": name, "litellm_params": parameters, "model_info": {"mode": "audio_transcription"}}


def start(port):
    config = pathlib.Path(folder) / "litellm.json"
    # Every JSON file is a YAML file.
    config.write_text(json.dumps({"model_list": [model("whisper-1"), model("gpt-4o-transcribe")]}))
    program = pathlib.Path(sys.executable).with_name("litellm")
    log = open(pathlib.Path(folder) / "litellm.log", "wb")
    return subprocess.Popen(
        [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)], stdout=log, stderr=log
    )


def await_ready(proxy, port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=5)
            return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            assert proxy.poll() is None, "the proxy has ended"
            assert time.monotonic() < deadline, "the proxy is not ready"
            time.sleep(0.1)


def transcribe(client, **options):
    with open(recording, "rb") as file:
        return client.audio.transcriptions.create(file=file, language="en", **options)


def calls(client):
    check("json", transcribe(client, model="whisper-1").text)
    check("gpt-4o-transcribe", transcribe(client, model="gpt-4o-transcribe").text)
    # The proxy does not pass timestamp_granularities[] on.
    verbose = transcribe(client, model="whisper-1", response_format="verbose_json")
    check("verbose_json", verbose.text)
    assert verbose.language == "english" and verbose.segments, verbose
    try:
        with open(text_file, "rb") as file:
            client.audio.transcriptions.create(file=("a.wav", file), model="whisper-1")
    except openai.APIStatusError as error:
        assert error.status_code == 400, error
        print("ok: refused,", error.status_code)
    else:
        raise AssertionError("a text was transcribed")


port = free_port()
proxy = start(port)
try:
    await_ready(proxy, port)
    calls(openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="unused", max_retries=0, timeout=PATIENCE))
except BaseException:
    print(open(os.path.join(folder, "litellm.log"), encoding="utf-8", errors="replace").read()[-4000:])
    raise
finally:
    proxy.terminate()
    proxy.wait()
