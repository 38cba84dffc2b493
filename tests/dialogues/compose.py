#!/usr/bin/env python3
"""Composes conversations with a known answer from recordings of single voices.

    compose.py VOICES OUT --count 12 --seed 1 [--turns 40] [--speakers 4] [--references FOLDER]

VOICES has a folder for each speaker, with audio of that voice alone (ffmpeg decodes it). OUT gets a WAV file and an
RTTM file for each conversation. With --references, some seconds of each voice that are in no conversation are written
to FOLDER. The same arguments give the same files. voices.sh gets voices from Debian.
"""

import argparse
import array
import math
import random
import subprocess
import sys
import wave
from pathlib import Path

RATE = 16_000
FRAME = RATE // 50
# Frames this far below the loud ones are a pause. With 35 dB, breath and reverberation counted as speech, and so did a sixth of
# what readers of books say.
PAUSE_DB = 25
# Pauses from this length on separate the parts of a recording; shorter ones belong to speech.
SHORTEST_PAUSE = 0.3
# Shorter speech is left out.
SHORTEST_PART = 0.4
# Length of a reference, in seconds.
REFERENCE = 4
# A part of a voice is used again only after this share of its other parts was used.
FRESH_SHARE = 0.8

# Each manner of conversation: the length of turns, the pause before a turn (negative: both speak), in seconds, and
# the share of short answers.
MANNERS = {
    "calm": {"turn": (1.5, 8.0), "pause": (0.2, 1.2), "short": 0.2},
    "quick": {"turn": (1.0, 6.0), "pause": (0.05, 0.25), "short": 0.4},
    "short": {"turn": (0.7, 1.6), "pause": (0.1, 0.6), "short": 0.5},
    "overlap": {"turn": (2.0, 8.0), "pause": (-1.0, 0.6), "short": 0.2},
}


def decode(path):
    """The samples of a recording, mono at 16 kHz."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
    samples = array.array("h")
    samples.frombytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return samples


def parts(samples):
    """The stretches of speech between pauses, from a first sample up to another."""
    frames = [samples[at : at + FRAME] for at in range(0, len(samples) - FRAME, FRAME)]
    levels = [10 * math.log10(sum(value * value for value in frame) / FRAME + 1) for frame in frames]
    if not levels:
        return []
    loud = sorted(levels)[int(len(levels) * 0.95)] - PAUSE_DB

    found = []
    for index, level in enumerate(levels):
        if level < loud:
            continue
        start = index * FRAME
        if found and start - found[-1][1] < SHORTEST_PAUSE * RATE:
            found[-1][1] = start + FRAME
        else:
            found.append([start, start + FRAME])
    return [(start, end) for start, end in found if end - start >= SHORTEST_PART * RATE]


class Voice:
    """One speaker, with all parts of its recordings."""

    def __init__(self, folder):
        self.name = folder.name
        self.parts = []
        for path in sorted(folder.iterdir()):
            samples = decode(path)
            for start, end in parts(samples):
                self.parts.append(level(samples[start:end]))
        self.used = []

    def take_reference(self):
        """Some of the last parts, which are not said any more."""
        samples = array.array("h")
        while len(samples) < REFERENCE * RATE and len(self.parts) > 2:
            samples.extend(self.parts.pop())
        return samples

    def say(self, chance, least, most):
        """A part of about this length that was not used lately."""
        fresh = [index for index in range(len(self.parts)) if index not in self.used]
        wanted = chance.uniform(least, most) * RATE
        near = sorted(fresh, key=lambda index: abs(len(self.parts[index]) - wanted))
        index = chance.choice(near[: max(1, len(near) // 8)])
        self.used.append(index)
        del self.used[: max(0, len(self.used) - int(len(self.parts) * FRESH_SHARE))]

        part = self.parts[index]
        if len(part) <= most * RATE:
            return part
        start = chance.randrange(len(part) - int(most * RATE))
        return part[start : start + int(most * RATE)]


def level(samples):
    """The same at a fixed loudness."""
    power = math.sqrt(sum(value * value for value in samples) / len(samples))
    factor = 2000 / max(power, 1)
    return array.array("h", (max(-32768, min(32767, int(value * factor))) for value in samples))


def compose(voices, manner, turns, chance):
    """The samples and the turns (start, end, name) of a conversation."""
    room = array.array("h", (chance.randrange(-6, 7) for _ in range(10 * RATE)))
    for voice in voices:
        voice.used = []
    loudness = {voice.name: chance.uniform(0.6, 1.4) for voice in voices}

    samples = room[: RATE // 2]
    spoken = []
    last = None
    for _ in range(turns):
        voice = chance.choice([voice for voice in voices if voice is not last])
        last = voice
        is_short = chance.random() < manner["short"]
        part = voice.say(chance, *((0.5, 1.3) if is_short else manner["turn"]))
        factor = loudness[voice.name]
        part = array.array("h", (max(-32768, min(32767, int(value * factor))) for value in part))

        pause = int(chance.uniform(*manner["pause"]) * RATE)
        start = max(len(samples) + pause, RATE // 4)
        if spoken:
            # Three voices at once are rare in conversations, and so are turns that end before the one before them.
            before = spoken[-1]
            start = max(start, before[0] + RATE // 2, len(samples) - len(part) + RATE // 4)
        while len(samples) < start:
            samples.extend(room[: start - len(samples)])
        both = min(len(samples) - start, len(part))
        for index in range(both):
            mixed = samples[start + index] + part[index]
            samples[start + index] = max(-32768, min(32767, mixed))
        samples.extend(part[both:])
        spoken.append((start, start + len(part), voice.name))
    samples.extend(room[: RATE // 2])
    return samples, spoken


def write_wav(path, samples):
    with wave.open(str(path.with_suffix(".wav")), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())


def write(path, samples, spoken):
    write_wav(path, samples)
    with path.with_suffix(".rttm").open("w") as out:
        for start, end, name in spoken:
            length = (end - start) / RATE
            out.write(f"SPEAKER {path.name} 1 {start / RATE:.3f} {length:.3f} <NA> <NA> {name} <NA> <NA>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=12, help="conversations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--turns", type=int, default=40, help="turns of each conversation")
    parser.add_argument("--speakers", type=int, help="speakers of each (2 to 6 otherwise)")
    parser.add_argument("--manner", choices=MANNERS, help="how they talk (each in turn otherwise)")
    parser.add_argument("--name", default="d", help="what the names of the files start with")
    parser.add_argument("--references", type=Path, help="gets a reference of each voice")
    options = parser.parse_args()

    voices = [Voice(folder) for folder in sorted(options.voices.iterdir()) if folder.is_dir()]
    voices = [voice for voice in voices if len(voice.parts) > 1]
    if len(voices) < (options.speakers or 2):
        sys.exit(f"compose.py: {len(voices)} voices in {options.voices}: more are needed")

    if options.references:
        options.references.mkdir(parents=True, exist_ok=True)
        for voice in voices:
            write_wav(options.references / voice.name, voice.take_reference()[: 10 * RATE])

    options.out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(options.seed)
    for index in range(options.count):
        manner = options.manner or list(MANNERS)[index % len(MANNERS)]
        count = options.speakers or min(2 + index % 5, len(voices))
        chosen = chance.sample(voices, count)
        samples, spoken = compose(chosen, MANNERS[manner], options.turns, chance)
        write(options.out / f"{options.name}{index + 1}_{manner}{count}", samples, spoken)


if __name__ == "__main__":
    main()
