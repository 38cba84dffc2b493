// Records from the microphone: pause, level, time.

import { announce, h, setText } from "./dom";
import { clock } from "./time";

/** Starts recording, with its controls in `place`. `onDone` gets the recording. */
export async function recorder(place: HTMLElement, onDone: (file: File) => void): Promise<void> {
  if (place.childElementCount > 0) return;
  const time = h("span", { class: "record-time" }, "0:00");
  const level = h("meter", { min: "0", max: "1", low: "0.02", "aria-label": "Level of the microphone" });
  const pause = h("button", { type: "button" }, "Pause");
  const finish = h("button", { type: "button", class: "primary" }, "Finish");
  const discard = h("button", { type: "button" }, "Discard");

  let stream: MediaStream;
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    const why =
      name === "SecurityError"
        ? "Browsers allow recording only over https or on localhost."
        : name === "NotFoundError"
          ? "There is no microphone."
          : "The browser was not allowed to use the microphone.";
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, why));
    setTimeout(() => place.replaceChildren(), 8000);
    return;
  }

  const media = new MediaRecorder(stream);
  const parts: Blob[] = [];
  let recorded = 0;
  let since = performance.now();
  let isDiscarded = false;
  media.ondataavailable = (event) => parts.push(event.data);

  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    level.value = Math.max(...samples.map(Math.abs));
    const running = media.state === "recording" ? performance.now() - since : 0;
    setText(time, clock((recorded + running) / 1000));
  }, 100);

  pause.onclick = () => {
    if (media.state === "recording") {
      recorded += performance.now() - since;
      media.pause();
    } else {
      since = performance.now();
      media.resume();
    }
    setText(pause, media.state === "paused" ? "Go on" : "Pause");
    announce(media.state === "paused" ? "The recording is paused." : "The recording goes on.");
  };
  finish.onclick = () => media.stop();
  discard.onclick = () => {
    isDiscarded = true;
    media.stop();
  };
  media.onstop = () => {
    clearInterval(timer);
    stream.getTracks().forEach((track) => track.stop());
    void context.close();
    place.replaceChildren();
    if (isDiscarded) return;
    const type = media.mimeType.split(";")[0] ?? "audio/webm";
    const stamp = new Date().toISOString().slice(0, 16).replace("T", " ").replace(":", ".");
    onDone(new File(parts, `Recording ${stamp}.${type.includes("mp4") ? "m4a" : "webm"}`, { type }));
  };

  media.start(1000);
  since = performance.now();
  place.replaceChildren(h("div", { class: "recording", role: "group", "aria-label": "Recording" }, time, level, pause, finish, discard));
  announce("Recording.");
  pause.focus();
}
