// Draws the loudness of a recording, with its spoken parts marked. Decoration: the slider below it does the same for the keyboard.

import { h } from "./dom";
import type { Segment } from "./types";

/** Longest recording that is decoded here, in seconds and bytes. A browser decodes a whole file at once, into memory. */
const LONGEST_S = 45 * 60;
const LARGEST_BYTES = 150e6;
const RATE = 8000;
const BARS = 1200;

export interface Waveform {
  element: HTMLElement;
  show(seconds: number): void;
  onSeek(listener: (seconds: number) => void): void;
  close(): void;
}

export function waveform(recording: Blob, duration: number, segments: () => Segment[]): Waveform {
  const canvas = h("canvas", { class: "wave", "aria-hidden": "true" });
  let peaks: Float32Array | null = null;
  let now = 0;
  let seek = (_: number) => {};

  const draw = () => {
    const width = canvas.clientWidth * devicePixelRatio;
    const height = canvas.clientHeight * devicePixelRatio;
    if (width === 0 || height === 0) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    if (!context) return;
    const style = getComputedStyle(canvas);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const x = (seconds: number) => (seconds / duration) * width;
    context.clearRect(0, 0, width, height);

    context.fillStyle = color("--spoken");
    for (const segment of segments()) context.fillRect(x(segment.start), 0, Math.max(1, x(segment.end - segment.start)), height);

    const step = width / BARS;
    for (let bar = 0; peaks && bar < BARS; bar += 1) {
      const tall = Math.max(1, (peaks[bar] ?? 0) * height * 0.92);
      context.fillStyle = color((bar / BARS) * duration < now ? "--accent" : "--bars");
      context.fillRect(bar * step, (height - tall) / 2, Math.max(1, step * 0.7), tall);
    }
    context.fillStyle = color("--accent");
    context.fillRect(x(now) - 1, 0, 2, height);
  };

  const sizes = new ResizeObserver(draw);
  sizes.observe(canvas);
  canvas.addEventListener("pointerdown", (event) => {
    const place = canvas.getBoundingClientRect();
    seek(((event.clientX - place.left) / place.width) * duration);
  });
  let isOpen = true;
  if (duration > 0 && duration <= LONGEST_S && recording.size <= LARGEST_BYTES) {
    void decode(recording).then((found) => {
      peaks = found;
      if (isOpen) draw();
    });
  }

  return {
    element: canvas,
    show(seconds) {
      now = seconds;
      draw();
    },
    onSeek(listener) {
      seek = listener;
    },
    close() {
      isOpen = false;
      sizes.disconnect();
    },
  };
}

/** The loudest sample of each bar, 0 to 1; null for a format that this browser does not decode. */
async function decode(recording: Blob): Promise<Float32Array | null> {
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const decoded = await context.decodeAudioData(await recording.arrayBuffer());
    const samples = decoded.getChannelData(0);
    const peaks = new Float32Array(BARS);
    let loudest = 0.05;
    for (let bar = 0; bar < BARS; bar += 1) {
      const end = Math.floor(((bar + 1) * samples.length) / BARS);
      for (let at = Math.floor((bar * samples.length) / BARS); at < end; at += 1) {
        peaks[bar] = Math.max(peaks[bar] ?? 0, Math.abs(samples[at] ?? 0));
      }
      loudest = Math.max(loudest, peaks[bar] ?? 0);
    }
    return peaks.map((peak) => peak / loudest);
  } catch {
    return null;
  }
}
