// Plays the recording that this browser has. What is heard now is told to the transcript.

import { h, setText } from "./dom";
import { clock } from "./time";
import type { Segment } from "./types";
import { waveform } from "./wave";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const STEP_S = 5;

export interface Player {
  element: HTMLElement;
  media: HTMLMediaElement;
  /** Goes to a time, and plays. */
  playAt(seconds: number): void;
  toggle(): void;
  step(seconds: number): void;
  changeSpeed(by: number): void;
  close(): void;
}

/** A player for the recording. `onTime` is called as it plays. */
export function playerOf(
  recording: Blob,
  isVideo: boolean,
  duration: number,
  segments: () => Segment[],
  onTime: (seconds: number) => void,
): Player {
  const url = URL.createObjectURL(recording);
  const media = document.createElement(isVideo ? "video" : "audio");
  media.src = url;
  media.preload = "metadata";
  if (media instanceof HTMLVideoElement) {
    media.playsInline = true;
    media.setAttribute("aria-label", "The recording");
  }

  const play = h("button", { type: "button", class: "play", "aria-label": "Play" }, "▶");
  const back = h("button", { type: "button", title: `Back ${STEP_S} seconds` }, `−${STEP_S} s`);
  const forth = h("button", { type: "button", title: `Forward ${STEP_S} seconds` }, `+${STEP_S} s`);
  const seek = h("input", { type: "range", min: "0", max: String(Math.max(0.1, duration)), step: "0.1", value: "0", "aria-label": "Place in the recording" });
  const time = h("span", { class: "time" });
  const speed = h("select", { "aria-label": "Speed", title: "Speed" }, ...SPEEDS.map((value) => h("option", { value }, `${value}×`)));
  speed.value = "1";
  const wave = waveform(recording, duration, segments);

  const show = () => {
    const now = media.currentTime;
    seek.value = String(now);
    seek.setAttribute("aria-valuetext", `${clock(now)} of ${clock(duration)}`);
    setText(time, `${clock(now)} / ${clock(duration)}`);
    wave.show(now);
    onTime(now);
  };
  // `timeupdate` comes four times a second: too seldom to mark words.
  let frame = 0;
  const run = () => {
    show();
    frame = media.paused ? 0 : requestAnimationFrame(run);
  };
  media.addEventListener("play", () => {
    play.setAttribute("aria-label", "Pause");
    setText(play, "❚❚");
    cancelAnimationFrame(frame);
    run();
  });
  media.addEventListener("pause", () => {
    play.setAttribute("aria-label", "Play");
    setText(play, "▶");
  });
  media.addEventListener("seeked", show);
  // A live recording of a browser has no length in its file.
  media.addEventListener("loadedmetadata", show);

  const player: Player = {
    element: h("div", { class: "player" }),
    media,
    playAt(seconds) {
      media.currentTime = Math.max(0, seconds);
      void media.play().catch(() => {});
    },
    toggle() {
      if (media.paused) void media.play().catch(() => {});
      else media.pause();
    },
    step(seconds) {
      media.currentTime = Math.min(duration, Math.max(0, media.currentTime + seconds));
    },
    changeSpeed(by) {
      const index = SPEEDS.indexOf(media.playbackRate);
      const next = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index + by))] ?? 1;
      media.playbackRate = next;
      speed.value = String(next);
    },
    close() {
      cancelAnimationFrame(frame);
      media.pause();
      media.removeAttribute("src");
      media.load();
      URL.revokeObjectURL(url);
      wave.close();
    },
  };
  play.onclick = () => player.toggle();
  back.onclick = () => player.step(-STEP_S);
  forth.onclick = () => player.step(STEP_S);
  seek.oninput = () => (media.currentTime = Number(seek.value));
  speed.onchange = () => (media.playbackRate = Number(speed.value));
  wave.onSeek((seconds) => (media.currentTime = seconds));
  media.addEventListener("error", () => {
    player.element.replaceChildren(h("p", { class: "hint" }, "This browser cannot play this format. The text is complete all the same."));
  });

  player.element.append(
    media,
    h("div", { class: "controls" }, play, back, forth, time, speed),
    h("div", { class: "track" }, wave.element, seek),
  );
  show();
  return player;
}
