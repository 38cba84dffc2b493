// The page in a real browser: `node page.mjs SCENARIO SETTINGS`. tests/e2e/page.rs starts the service and this program.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { exchange } from "./exchange.mjs";
import { features } from "./features.mjs";
import { ask, choose, fits, inspect, longestTask, open, openText, plant, segment, settings, waitForStage, withPage } from "./support.mjs";

const scenarios = {
  ...exchange,
  ...features,

  /** From a file to an edited text and its subtitles, and to nothing at all. */
  whole_way: () =>
    withPage(async (page, { requests }) => {
      await inspect(page, "1-start");
      await page.click("summary:text('Options')");
      await page.waitForFunction(() => document.querySelectorAll("#model option").length > 1);
      await page.selectOption("#language", "en");
      await inspect(page, "2-options");

      await choose(page, settings.recording);
      await open(page);
      await page.waitForSelector(".row .text", { timeout: 600_000 });
      await inspect(page, "3-live");
      const jobId = requests.map((url) => /transcribe\/([0-9a-f-]{36})/.exec(url)?.[1]).find(Boolean);

      await page.waitForSelector(".tools", { timeout: 600_000 });
      await page.waitForSelector(".player .play");
      await inspect(page, "4-text");
      const text = await page.textContent(".rows");
      assert.match(text, /train to the city/);
      assert.match(await page.textContent(".job-state"), /The server deletes the text on/);

      // A click on a word plays from there.
      await page.click(".row:nth-child(3) [data-word='4']");
      await page.waitForFunction(() => document.querySelector("audio")?.currentTime > 12);
      await page.waitForSelector(".row[aria-current]");
      await page.click(".play");
      await page.selectOption(".controls select", "1.5");

      await page.fill("#search", "rained");
      assert.equal(await page.textContent(".found-count"), "1 of 1");
      assert.equal(await page.textContent("mark"), "rained");
      await page.fill("#search", "");

      // Edit, undo, redo.
      await page.click(".row:nth-child(1) .edit");
      await page.fill("textarea", "Not this.");
      await page.click(".row button:text('Cancel')");
      assert.match(await page.textContent(".row .text"), /train/);
      await page.dblclick(".row:nth-child(1) .text", { position: { x: 5, y: 5 } });
      await inspect(page, "5-editing");
      await page.fill("textarea", "The tram to the city leaves at eight.");
      await page.click(".row button:text('Save')");
      await page.waitForFunction(() => document.querySelector(".row .text")?.textContent === "The tram to the city leaves at eight.");
      await page.click("button:text('Undo')");
      assert.match(await page.textContent(".row .text"), /train/);
      await page.click("button:text('Redo')");
      assert.match(await page.textContent(".row .text"), /tram/);
      await inspect(page, "5-edited");

      await page.click(".menu > summary");
      // The open menu covers what is behind it; the size of what is seen of that does not count.
      await inspect(page, "6-formats", ["target-size"]);
      for (const [format, expected] of [["srt", /^1\n00:00:0.*\nThe tram to the city\sleaves at eight\./], ["text", /^The tram to the city leaves at eight\. .*We need/]]) {
        if (!(await page.isVisible(`[data-format='${format}']`))) await page.click(".menu > summary");
        const [download] = await Promise.all([page.waitForEvent("download"), page.click(`[data-format='${format}']`)]);
        const content = readFileSync(await download.path(), "utf8");
        assert.match(content, expected);
        assert.match(download.suggestedFilename(), /^minute\.(srt|txt)$/);
      }

      // A reload brings everything back.
      await page.reload();
      await page.waitForSelector(".row .text");
      assert.match(await page.textContent(".row .text"), /tram/);

      // The page asks before it removes a text.
      await page.click("text=All recordings");
      await inspect(page, "8-list");
      await page.click("button:text('Remove')");
      await inspect(page, "9-removal");
      await page.click("dialog button:text('Cancel')");
      await page.click(".job a:text('Open')");
      await page.waitForSelector(".row .text");

      await page.click("button:text('Delete on the server now')");
      await page.waitForSelector("text=deleted on the server and still in this browser");
      const answer = await page.evaluate((id) => fetch(`transcribe/${id}?keep=true`).then((response) => response.status), jobId);
      assert.equal(answer, 410);
      assert.match(await page.textContent(".row .text"), /tram/, "the text stays in this browser");

      await page.click("#open-privacy");
      await inspect(page, "7-privacy");
      await page.click("button:text('Forget everything')");
      await page.waitForSelector("text=Nothing here yet");
      assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
      assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
    }, { expected: ["410"] }),

  /** The page itself: small, cached by hash, and with a strict policy. */
  transfer: () =>
    withPage(async (page) => {
      const sizes = [];
      page.on("response", async (response) => sizes.push([response.url(), (await response.body()).length, response.headers()]));
      await page.reload();
      await page.waitForSelector("h1");
      await page.waitForLoadState("networkidle");
      const total = sizes.reduce((sum, [, size]) => sum + size, 0);
      assert.ok(total < 250_000, `${total} bytes`);
      const policy = (await (await page.request.get(settings.url)).headers())["content-security-policy"];
      assert.ok(!policy.includes("unsafe"), policy);
      const script = await page.getAttribute("script[src]", "src");
      const answer = await page.request.get(new URL(script, settings.url).href);
      assert.match(answer.headers()["cache-control"], /immutable/);
    }),

  /** Everything without a mouse. */
  keyboard: () =>
    withPage(async (page) => {
      // The first listener makes the browser hand its dialogs over, which takes a moment.
      page.on("filechooser", () => {});
      await tabTo(page, "Choose files");
      const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
      await chooser.setFiles(settings.recording);
      await waitForStage(page, "completed");
      await tabTo(page, "minute.opus");
      await page.keyboard.press("Enter");
      await page.waitForSelector(".row .text");
      await page.waitForSelector(".player .play");

      await page.focus("#follow");
      await page.keyboard.press("Tab");
      assert.ok(await page.evaluate(() => document.activeElement.matches(".row")), "Tab leads into the text");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("ArrowDown");
      const heard = await page.evaluate(() => document.querySelector("audio").currentTime);
      assert.ok(heard > 10, `the arrows go to the segment: ${heard}`);
      await page.keyboard.press("Space");
      await page.waitForFunction(() => !document.querySelector("audio").paused);
      await page.keyboard.press("Space");
      await page.waitForFunction(() => document.querySelector("audio").paused);
      const before = await page.evaluate(() => document.querySelector("audio").currentTime);
      await page.keyboard.press("ArrowRight");
      await page.waitForFunction((before) => document.querySelector("audio").currentTime > before + 4, before);

      await page.keyboard.press("Enter");
      await page.keyboard.press("Control+A");
      await page.keyboard.type("It snowed all night.");
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.querySelector(".text").textContent), "It snowed all night.");
      await page.keyboard.press("Control+Z");
      await page.waitForFunction(() => /rained/.test(document.querySelector(".rows").textContent));
      await inspect(page, "keyboard");
    }),

  /** 360 pixels, dark, and a text from right to left. */
  phone: () =>
    withPage(
      async (page) => {
        await fits(page, "start");
        await inspect(page, "phone-start");
        await choose(page, settings.clip);
        await openText(page);
        await page.waitForSelector(".player .play");
        await fits(page, "text");
        await inspect(page, "phone-text");
        await page.evaluate(() => (location.hash = ""));
        await page.waitForSelector(".job");
        await fits(page, "list");
        await inspect(page, "phone-list");

        const words = "مرحبا بكم في هذا التسجيل الطويل الذي نستمع إليه اليوم";
        await plant(page, { name: "تسجيل.wav", language: "ar", segments: [segment(0, words), segment(1, "شكرا لكم.")] });
        await page.click(".job-name:has-text('تسجيل')");
        await page.waitForSelector(".row .text");
        const direction = await page.evaluate(() => getComputedStyle(document.querySelector(".text")).direction);
        assert.equal(direction, "rtl");
        await fits(page, "right to left");
        await inspect(page, "phone-rtl");
        await page.click("#open-privacy");
        await fits(page, "privacy");
        await inspect(page, "phone-privacy");
      },
      { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, colorScheme: "dark" },
    ),

  /** What the server refuses, in its words. */
  refused: () =>
    withPage(
      async (page, { requests }) => {
        await choose(page, settings.recording);
        await waitForStage(page, "refused");
        assert.match(await page.textContent(".problem"), /STENO_MAX_UPLOAD_BYTES|larger|limit/);
        await inspect(page, "refused");
        await choose(page, settings.junk);
        await waitForStage(page, "failed");
        await inspect(page, "failed");
        assert.notEqual(await page.textContent(".job[data-stage='failed'] .problem"), "");
        // Another try is another job.
        const idOf = (url) => /transcribe\/([0-9a-f-]{36})/.exec(url)?.[1];
        const first = requests.map(idOf).find(Boolean);
        await Promise.all([
          page.waitForRequest((request) => ![undefined, first].includes(idOf(request.url()))),
          page.click(".job[data-stage='failed'] button:text('Try again')"),
        ]);
      },
      { expected: ["413"] },
    ),

  /** The server goes away while a job waits, and comes back. */
  restart: () =>
    withPage(
      async (page) => {
        await choose(page, settings.recording);
        await waitForStage(page, "pending");
        await ask("stop");
        await page.waitForSelector("#reach:not([hidden])");
        await inspect(page, "unreachable");
        await ask("start");
        await ask("worker");
        await waitForStage(page, "completed");
        assert.ok(await page.isHidden("#reach"));
        await open(page);
        assert.match(await page.textContent(".rows"), /train to the city/);
      },
      { expected: ["ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY"] },
    ),

  /** A key is asked for; a wrong one is called wrong; neither is in an address or kept after the tab. */
  key: () =>
    withPage(
      async (page, { requests }) => {
        await choose(page, settings.clip);
        await page.waitForSelector("dialog #key");
        assert.match(await page.textContent("#key-problem"), /wants an API key/);
        await inspect(page, "key");
        await page.fill("#key", "steno_wrong");
        await page.click("button:text('Use this key')");
        await page.waitForSelector("text=does not know this API key");
        await inspect(page, "key-wrong");
        await page.fill("#key", settings.key);
        await page.click("button:text('Use this key')");
        await waitForStage(page, "completed");
        assert.ok(requests.every((url) => !url.includes(settings.key)));
        assert.equal(await page.evaluate(() => localStorage.getItem("steno-key")), null);
        assert.equal(await page.evaluate(() => sessionStorage.getItem("steno-key")), settings.key);
      },
      { expected: ["401"] },
    ),

  /** Another client deletes the job. */
  gone: () =>
    withPage(
      async (page, { requests }) => {
        await choose(page, settings.recording);
        await waitForStage(page, "pending");
        const jobId = requests.map((url) => /transcribe\/([0-9a-f-]{36})/.exec(url)?.[1]).find(Boolean);
        await page.request.delete(`${settings.url}transcribe/${jobId}`);
        await waitForStage(page, "gone");
        await page.waitForSelector(".problem:not([hidden])");
        await inspect(page, "gone");
        // The browser still has the recording: it becomes another job.
        await page.click("button:text('Try again')");
        await ask("worker");
        await waitForStage(page, "completed");
        await page.click("button:text('Remove')");
        await page.click("dialog button.danger");
        await page.waitForSelector("text=Nothing here yet");
      },
      { expected: ["410"] },
    ),

  /** Ten thousand segments. */
  long: () =>
    withPage(async (page) => {
      const words = (id) => ["This", "is", "segment", `number${id}`].map((word, at) => ({
        word, start: id * 2 + at * 0.4, end: id * 2 + at * 0.4 + 0.3, probability: at === 1 ? 0.3 : 0.9,
      }));
      const segments = Array.from({ length: 10_000 }, (_, id) => segment(id, `This is segment number${id}`, words(id)));
      await plant(page, { name: "long.wav", segments });
      await open(page);
      await page.waitForSelector(".row .text");
      assert.ok((await page.locator(".row").count()) < 100, "only the rows in sight are on the page");
      assert.ok(await page.isVisible(".unsure"));
      await page.click("#unsure");
      assert.equal(await page.locator(".unsure").count(), 0);

      // It scrolls from end to end.
      const longest = await longestTask(page, () =>
        page.evaluate(async () => {
          const box = document.querySelector(".transcript");
          for (let at = 0; at <= 60; at += 1) {
            box.scrollTop = (box.scrollHeight * at) / 60;
            await new Promise(requestAnimationFrame);
          }
        }),
      );
      assert.ok(longest < 500, `a task took ${longest} ms`);
      await page.fill("#search", "number9876");
      await page.waitForSelector("mark:text('number9876')");
      await inspect(page, "long");
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(".menu > summary").then(() => page.click("[data-format='vtt']"))]);
      assert.match(readFileSync(await download.path(), "utf8"), /number9999/);
    }),
};

/** Presses Tab until the focus is on what has this text. */
async function tabTo(page, text) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => document.activeElement?.textContent?.trim());
    if (focused === text) return;
  }
  assert.fail(`Tab does not reach ${text}`);
}

await scenarios[process.argv[2]]();
console.log("passed");
process.exit(0);
