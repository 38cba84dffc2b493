#!/usr/bin/env python3
"""Writes reference.tsv: the network's probabilities for tests/fixtures/clip.wav, computed by NumPy.

Run from this folder with numpy installed. The steps follow `silero_vad/tinygrad_model.py` of the
PyPI package silero-vad 6.2.3. Each line is a gain and the probabilities of the clip's frames.
"""
import json
import struct
import wave

import numpy as np

FILE = open("../weights.safetensors", "rb").read()
HEADER_BYTES = struct.unpack("<Q", FILE[:8])[0]
DATA = FILE[8 + HEADER_BYTES :]


def tensor(name, header=json.loads(FILE[8 : 8 + HEADER_BYTES])):
    first, last = header[name]["data_offsets"]
    return np.frombuffer(DATA[first:last], "<f4").reshape(header[name]["shape"]).astype(np.float64)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def convolution(values, name, stride):
    padded = np.pad(values, ((0, 0), (1, 1)))
    steps = range(0, padded.shape[1] - 2, stride)
    weight, bias = tensor(f"{name}.weight"), tensor(f"{name}.bias")
    return np.maximum(np.stack([np.tensordot(weight, padded[:, s : s + 3], 2) + bias for s in steps], 1), 0)


def probabilities(samples):
    hidden, cell, context = np.zeros(128), np.zeros(128), np.zeros(64)
    for frame in samples[: samples.size // 512 * 512].reshape(-1, 512):
        padded = np.pad(np.concatenate([context, frame]), (0, 64), mode="reflect")
        context = frame[-64:]
        windows = np.stack([padded[at : at + 256] for at in range(0, 512, 128)], 1)
        spectrum = tensor("stft_conv.weight")[:, 0] @ windows
        values = np.sqrt(spectrum[:129] ** 2 + spectrum[129:] ** 2)
        for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            values = convolution(values, name, stride)
        gates = tensor("lstm_cell.weight_ih") @ values[:, 0] + tensor("lstm_cell.bias_ih")
        gates += tensor("lstm_cell.weight_hh") @ hidden + tensor("lstm_cell.bias_hh")
        enter, forget, candidate, leave = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        output = tensor("final_conv.weight")[0, :, 0] @ np.maximum(hidden, 0)
        yield sigmoid(output + tensor("final_conv.bias")[0])


with wave.open("../../../tests/fixtures/clip.wav") as clip:
    samples = np.frombuffer(clip.readframes(clip.getnframes()), dtype="<i2") / 32768

with open("reference.tsv", "w", encoding="ascii") as out:
    for gain in (1.0, 16.0, 0.01):
        row = probabilities(np.clip(samples * gain, -1, 1))
        out.write("\t".join([str(gain), *(f"{value:.5f}" for value in row)]) + "\n")
