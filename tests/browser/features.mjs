// Scenarios of the page, one for each group of its features: intake, options, export and player, memory, microphone, long jobs.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, choose, inspect, longestTask, open, openText, plant, segment, settings, waitForStage, withPage } from "./support.mjs";

export const features = {
  /** A dropped folder and a chosen one: recordings are taken, at most three are uploaded at a time, each shows where it is. */
  folders: () =>
    withPage(async (page) => {
      const folder = mkdtempSync(join(tmpdir(), "steno-page-"));
      mkdirSync(join(folder, "sub"));
      for (const name of ["a.opus", "b.opus", "c.opus", "sub/d.opus"]) copyFileSync(settings.clip, join(folder, name));
      writeFileSync(join(folder, "notes.txt"), "no recording");
      const held = [];
      await page.route("**/transcribe", (route) => held.push(route));
      const stages = (stage) => page.locator(`.job[data-stage='${stage}']`).count();
      const waitForUploads = (count) => page.waitForFunction((count) => document.querySelectorAll(".job[data-stage='uploading']").length === count, count);

      await drop(page, folder);
      await page.waitForFunction(() => document.querySelectorAll(".job").length === 4);
      await page.waitForSelector("#toast[role='status']:has-text('4 recordings are added.')");
      await waitForUploads(3);
      assert.equal(await stages("waiting"), 1);
      assert.match(await page.textContent(".job[data-stage='uploading'] .job-state"), /Uploading, \d+ % of \d+ kB|Uploaded, waits/);
      assert.match(await page.textContent(".job[data-stage='waiting'] .job-state"), /Waits to be uploaded/);

      await page.setInputFiles("#folder", folder);
      await page.waitForFunction(() => document.querySelectorAll(".job").length === 8);
      for (let sent = 0; sent < 8; sent += 1) {
        await waitUntil(() => held.length > sent);
        assert.ok((await stages("uploading")) <= 3, "three at a time");
        await held[sent].continue();
      }
      await page.waitForFunction(() => document.querySelectorAll(".job[data-stage='pending']").length === 8);
      const states = await page.locator(".job-state").allTextContents();
      rmSync(folder, { recursive: true });
      assert.ok(states.includes("Next in the queue") && states.includes("In the queue, number 8"), states.join("; "));
      await inspect(page, "folders");
    }),

  /** Options are closed, reach the server, and those that are not about one recording are remembered. */
  options: () =>
    withPage(async (page) => {
      assert.equal(await page.isVisible("#language"), false, "closed at first");
      await page.click("summary:text('Options')");
      await page.waitForFunction(() => document.querySelectorAll("#model option").length > 1);
      await page.selectOption("#language", "de");
      await page.selectOption("#task", "translate");
      await page.selectOption("#model", { index: 1 });
      await page.fill("#prompt", "Zoé Lefèvre");
      await page.uncheck("#words");
      await page.check("#speakers");
      const submit = async () => {
        await page.fill("#address", "https://example.org/talk.mp3");
        const [request] = await Promise.all([page.waitForRequest((request) => request.method() === "POST"), page.click("button:text-is('Add')")]);
        return request.postDataJSON();
      };

      const { model, ...sent } = await submit();
      assert.deepEqual(sent, { url: "https://example.org/talk.mp3", language: "de", task: "translate", prompt: "Zoé Lefèvre", diarize: "true" });
      assert.notEqual(model, "");
      await page.waitForSelector(".job-state:has-text('The operator has to start steno-courier')");

      await page.reload();
      await page.waitForSelector(".job");
      assert.deepEqual(await submit(), { url: "https://example.org/talk.mp3", language: "de", task: "translate", diarize: "true" });
    }),

  /** Every download has the bytes that the server gives for the job, and reading it here is no retrieval. */
  exports: () =>
    withPage(async (page, { requests }) => {
      await choose(page, settings.recording);
      await openText(page);
      const jobId = jobOf(requests);
      const own = (format) => page.request.get(`${settings.url}transcribe/${jobId}?keep=true&format=${format}`);
      const status = await (await own("json")).json();
      assert.equal(status.retrieved_at, null);

      const formats = await page.locator("[data-format]").evaluateAll((buttons) => buttons.map((button) => button.dataset.format));
      assert.deepEqual(formats, ["text", "srt", "vtt", "tsv", "lrc", "json", "verbose_json"]);
      for (const format of formats) {
        await page.click(".menu > summary");
        const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[data-format='${format}']`)]);
        const saved = readFileSync(await download.path(), "utf8");
        if (format === "json") assert.deepEqual(JSON.parse(saved), status.result);
        else assert.equal(saved, await (await own(format)).text(), format);
      }
    }),

  /** The waveform marks what is spoken; keys and slider move the sound. */
  player: () =>
    withPage(async (page) => {
      await choose(page, settings.recording);
      await openText(page);
      await page.waitForSelector(".player .play");
      const [spoken, expected] = await page.evaluate(async () => {
        const canvas = document.querySelector("canvas.wave");
        const row = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1).data;
        const marked = row.filter((value, at) => at % 4 === 3 && value > 0).length / canvas.width;
        const request = indexedDB.open("steno", 1);
        const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
        const all = database.transaction("jobs").objectStore("jobs").getAll();
        const [{ result }] = await new Promise((resolve) => (all.onsuccess = () => resolve(all.result)));
        database.close();
        return [marked, result.segments.reduce((sum, { start, end }) => sum + end - start, 0) / result.duration_seconds];
      });
      assert.ok(Math.abs(spoken - expected) < 0.05, `${spoken} of the waveform is marked, ${expected} is spoken`);

      const media = (what) => page.evaluate((what) => document.querySelector("audio")[what], what);
      await page.focus("#follow");
      await page.keyboard.press("Tab");
      await page.keyboard.press(">");
      assert.equal(await media("playbackRate"), 1.25);
      for (let press = 0; press < 9; press += 1) await page.keyboard.press("<");
      assert.equal(await media("playbackRate"), 0.5);
      for (let press = 0; press < 9; press += 1) await page.keyboard.press(">");
      assert.equal(await media("playbackRate"), 2);
      await page.fill(".track input[type='range']", "20");
      assert.equal(await media("currentTime"), 20);
      await page.focus(".row[tabindex='0']");
      await page.keyboard.press("ArrowLeft");
      assert.equal(await media("currentTime"), 15);
      await page.keyboard.press("ArrowUp");
      assert.ok((await media("currentTime")) < 15);
    }),

  /** What this browser keeps: a running job after a reload, nothing if that is turned off. */
  memory: () =>
    withPage(async (page) => {
      await choose(page, settings.recording);
      await waitForStage(page, "processing");
      await page.reload();
      await page.waitForSelector(".job-name:text('minute.opus')");
      await waitForStage(page, "completed");

      await page.click("#open-privacy");
      await page.uncheck("#keep");
      await page.waitForSelector("#toast:has-text('Nothing is kept')");
      assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
      await page.click("dialog button:text-is('Close')");
      await open(page);
      await page.waitForSelector(".player .play");
      await page.reload();
      await page.waitForSelector("text=Nothing here yet");

      await page.click("#open-privacy");
      assert.equal(await page.isChecked("#keep"), false);
      await page.check("#keep");
      await page.click("dialog button:text-is('Close')");
      await choose(page, settings.clip);
      await waitForStage(page, "completed");
      await page.reload();
      await openText(page);
    }),

  /** A key is remembered if its user says so, until they say otherwise. */
  remembered_key: () =>
    withPage(
      async (page, { requests }) => {
        await choose(page, settings.clip);
        await page.fill("dialog #key", settings.key);
        await page.check("#remember-key");
        await page.click("button:text('Use this key')");
        await waitForStage(page, "completed");
        const kept = () => page.evaluate(() => [localStorage.getItem("steno-key"), sessionStorage.getItem("steno-key")]);
        assert.deepEqual(await kept(), [settings.key, null]);
        await page.click("#open-key");
        assert.ok(await page.isChecked("#remember-key"));
        await page.click("button:text('Forget the key')");
        await page.waitForSelector("dialog", { state: "detached" });
        assert.deepEqual(await kept(), [null, null]);
        assert.ok(requests.every((url) => !url.includes(settings.key)));
      },
      { expected: ["401"] },
    ),

  /** The server is away when a recording is uploaded: the page says so, tries again, and there is one job. */
  upload_failure: () =>
    withPage(
      async (page) => {
        await ask("stop");
        await choose(page, settings.clip);
        await page.waitForSelector(".problem:has-text('the server cannot be reached. Trying again.')");
        await inspect(page, "upload-failure");
        await ask("start");
        await waitForStage(page, "completed");
        const { jobs } = await (await page.request.get(`${settings.url}transcribe`)).json();
        assert.equal(jobs.length, 1);
      },
      { expected: ["ERR_CONNECTION"] },
    ),

  /** A stream that broke is resumed after its last event. */
  resume: () =>
    withPage(
      async (page) => {
        const resumed = [];
        page.on("request", (request) => {
          if (request.url().endsWith("/events")) resumed.push(request.headers()["last-event-id"] ?? null);
        });
        // The text comes slowly, so that the server stops in the middle of it.
        await page.click("summary:text('Options')");
        await page.fill("#prompt", "wait:10000");
        await choose(page, settings.recording);
        await waitForStage(page, "processing");
        await ask("stop");
        await page.waitForSelector("#reach:not([hidden])");
        await ask("start");
        await waitForStage(page, "completed");
        assert.equal(resumed[0], null);
        assert.notEqual(resumed.at(-1), null);
      },
      { expected: ["ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY"] },
    ),

  /** A job that nobody fetched in time. */
  expired: () =>
    withPage(
      async (page) => {
        await choose(page, settings.clip);
        await waitForStage(page, "gone");
        assert.match(await page.textContent(".problem"), /passed its deadline/);
        assert.ok(await page.isVisible("button:text('Try again')"));
        await inspect(page, "expired");
      },
      { expected: ["410"] },
    ),

  /** A video shows its subtitles, and the changed ones after a correction. */
  video: () =>
    withPage(async (page) => {
      await choose(page, settings.clip);
      await openText(page);
      await page.waitForSelector("video");
      await page.waitForFunction(() => document.querySelector("video").textTracks[0]?.cues?.length > 0);
      await inspect(page, "video");

      await page.click(".row .edit");
      await page.fill("textarea", "Another sentence.");
      await page.click(".row button:text('Save')");
      const shown = () => [...document.querySelector("video").textTracks].some((track) => [...(track.cues ?? [])].some(({ text }) => text.includes("Another sentence.")));
      await page.waitForFunction(shown);
    }),

  /** A recording from the microphone, here a tone of the browser: level, time, pause; one that is discarded. */
  record: () =>
    withPage(
      async (page) => {
        const time = () => page.textContent(".record-time");
        await page.click("button:text('Record')");
        await page.waitForSelector(".recording");
        await page.waitForFunction(() => document.querySelector("meter").value > 0);
        await page.waitForFunction(() => document.querySelector(".record-time").textContent >= "0:02");
        await page.click("button:text('Pause')");
        await page.waitForSelector("button:text('Go on')");
        const paused = await time();
        await inspect(page, "recording");
        assert.equal(await time(), paused);
        await page.click("button:text('Go on')");
        await page.waitForFunction((paused) => document.querySelector(".record-time").textContent > paused, paused);
        await page.click("button:text('Finish')");
        await waitForStage(page, "completed");
        assert.match(await page.textContent(".job-name"), /^Recording .*\.webm$/);

        await page.click("button:text('Record')");
        await page.click("button:text('Discard')");
        await page.waitForSelector(".recording", { state: "detached" });
        assert.equal(await page.locator(".job").count(), 1);
      },
      { args: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"], permissions: ["microphone"] },
    ),

  /** Thousands of segments that come while the text is shown, many at a time. */
  long_live: () =>
    withPage(async (page) => {
      const words = (id) => Array.from({ length: 12 }, (_, at) => ({ word: `word${at}`, start: id * 2 + at * 0.15, end: id * 2 + at * 0.15 + 0.1, probability: 0.9 }));
      const segments = Array.from({ length: 4000 }, (_, id) => segment(id, words(id).map(({ word }) => word).join(" "), words(id)));
      const job = { jobId: "00000000-0000-4000-8000-000000000000", stage: "processing", live: segments.slice(0, 3000), result: null, isOnServer: true };
      const text = segments.map(({ text }) => text).join(" ");
      const result = { text, language: "en", languages: [], language_probability: 1, duration_seconds: 8000, model: "base", warnings: [], segments };
      const status = { job_id: job.jobId, status: "completed", progress: 1, position: null, eta_seconds: null, ttl_deadline: "2100-01-01T00:00:00Z", delete_after: null, error: null };
      const event = (name, data, id) => `event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
      const events = segments.slice(3000).map((own) => event("segment", own, own.id)).join("") + event("completed", status, "end");
      let release;
      const isReleased = new Promise((resolve) => (release = resolve));
      await page.route("**/events", async (route) => {
        await isReleased;
        // The page has given up the stream that it had before the job was shown.
        await route.fulfill({ contentType: "text/event-stream", body: events }).catch(() => {});
      });
      await page.route(`**/transcribe/${job.jobId}?keep=true`, (route) => route.fulfill({ json: { ...status, result } }));

      await plant(page, { name: "long.wav", segments, more: job });
      await open(page);
      await page.waitForSelector(".row .text");
      const longest = await longestTask(page, async () => {
        release();
        await page.waitForSelector(".tools");
      });
      assert.ok(longest < 500, `a task took ${longest} ms`);
    }),
};

/** The id of the job that the page asked for first. */
function jobOf(requests) {
  return requests.map((url) => /transcribe\/([0-9a-f-]{36})/.exec(url)?.[1]).find(Boolean);
}

/** Waits until a condition of this program holds. */
async function waitUntil(isSo) {
  const end = Date.now() + 600_000;
  while (!isSo()) {
    assert.ok(Date.now() < end, "not so in ten minutes");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Drops a file or folder on the page, as a person does with a mouse. */
async function drop(page, path) {
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"]) {
    await session.send("Input.dispatchDragEvent", { type, x: 300, y: 200, data });
  }
  await session.detach();
}
