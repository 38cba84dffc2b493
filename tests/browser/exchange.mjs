// Scenarios of the page about what goes in and out: dropped and pasted files, copied and printed text, speakers' names, polling.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename } from "node:path";
import { choose, fits, inspect, open, openText, plant, segment, settings, waitForStage, withPage } from "./support.mjs";

export const exchange = {
  /** A dropped file, and a pasted one. */
  drop_and_paste: () =>
    withPage(async (page) => {
      for (const type of ["drop", "paste"]) {
        await page.evaluate(dispatch, [type, basename(settings.clip), readFileSync(settings.clip).toString("base64")]);
      }
      await page.waitForFunction(() => document.querySelectorAll(".job[data-stage='completed']").length === 2);
    }),

  /** The address of a recording, typed and pasted; one that is no address; one without a recording. */
  address: () =>
    withPage(async (page, { requests }) => {
      const server = createServer((request, response) => {
        const isThere = request.url.startsWith("/talks/");
        response.writeHead(isThere ? 200 : 404).end(isThere ? readFileSync(settings.clip) : "");
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      const root = `http://127.0.0.1:${server.address().port}`;

      await page.fill("#address", "clip.opus");
      await page.click("button:text-is('Add')");
      await page.waitForSelector("text=This is not a web address.");
      assert.equal(await page.locator(".job").count(), 0);

      await page.fill("#address", ` ${root}/talks/Gespr%C3%A4ch.opus`);
      await page.keyboard.press("Enter");
      await waitForStage(page, "completed");
      assert.equal(await page.textContent(".job-name"), "Gespräch.opus");
      assert.equal(await page.inputValue("#address"), "");
      await page.evaluate(paste, `${root}/talks/two.opus`);
      await page.waitForFunction(() => document.querySelectorAll(".job[data-stage='completed']").length === 2);

      await page.fill("#address", `${root}/lost.opus`);
      await page.click("button:text-is('Add')");
      await waitForStage(page, "failed");
      assert.match(await page.textContent(".job[data-stage='failed'] .problem"), /404/);
      await inspect(page, "addresses");
      assert.ok(requests.every((url) => !url.startsWith(root)), "only the server downloads");
      server.close();
    }),

  /** The whole text on the clipboard, and on paper. */
  copy_and_print: () =>
    withPage(
      async (page) => {
        await choose(page, settings.recording);
        await openText(page);
        await page.click("button:text('Copy')");
        await page.waitForSelector("text=The text is copied.");
        const copied = await page.evaluate(() => navigator.clipboard.readText());
        const first = await page.textContent(".row .text");
        assert.ok(copied.startsWith(first), copied);
        assert.ok(copied.length > 200, "all of the text, not only what is in sight");

        // The browser's dialog cannot be driven: what would be on the sheet is read instead.
        await page.evaluate(() => {
          window.print = () => (window.printed = document.querySelector(".sheet").textContent);
        });
        await page.click("button:text('Print')");
        const printed = await page.evaluate(() => window.printed);
        assert.ok(printed.includes(first) && printed.startsWith(basename(settings.recording)), printed);
        await page.emulateMedia({ media: "print" });
        assert.ok(await page.isVisible(".sheet"));
        assert.ok(await page.isHidden("header"));
        await page.emulateMedia({ media: "screen" });
        await page.evaluate(() => dispatchEvent(new Event("afterprint")));
        assert.equal(await page.locator(".sheet").count(), 0);
      },
      { permissions: ["clipboard-read", "clipboard-write"] },
    ),

  /** Speakers are shown, renamed and joined, and the export has the new names. */
  speakers: () =>
    withPage(async (page) => {
      const said = [["A", "Did it rain?"], ["B", "All night."], ["C", "I slept."], ["A", "Lucky you."]];
      const segments = said.map(([speaker, text], id) => ({ ...segment(id, text), speaker }));
      const speakers = ["A", "B", "C"].map((speaker) => ({
        speaker, seconds: 2, turns: segments.filter((own) => own.speaker === speaker).map(({ start, end }) => ({ start, end })),
      }));
      await plant(page, { name: "talk.wav", segments, speakers });
      await open(page);
      await page.waitForSelector(".speakers input");
      assert.deepEqual(await page.locator(".row .speaker").allTextContents(), ["A", "B", "C", "A"]);
      await inspect(page, "speakers");

      await page.fill("#speaker-name-0", "Zoé <b>");
      await page.keyboard.press("Tab");
      await page.waitForFunction(() => document.querySelector(".row .speaker").textContent === "Zoé b");
      await page.fill("#speaker-name-2", "B");
      await page.keyboard.press("Tab");
      await page.waitForFunction(() => document.querySelectorAll(".speakers input").length === 2);
      assert.deepEqual(await page.locator(".row .speaker").allTextContents(), ["Zoé b", "B", "Zoé b"]);

      await page.click(".menu > summary");
      const [download] = await Promise.all([page.waitForEvent("download"), page.click("[data-format='text']")]);
      assert.equal(readFileSync(await download.path(), "utf8"), "Zoé b: Did it rain?\nB: All night. I slept.\nZoé b: Lucky you.\n");
      await page.click(".menu > summary");
      const [whole] = await Promise.all([page.waitForEvent("download"), page.click("[data-format='json']")]);
      const joined = JSON.parse(readFileSync(await whole.path(), "utf8")).speakers;
      assert.deepEqual(joined.map(({ speaker, seconds }) => [speaker, seconds]), [["Zoé b", 2], ["B", 4]]);

      await page.reload();
      await page.waitForSelector(".row .speaker");
      assert.equal(await page.inputValue("#speaker-name-0"), "Zoé b");
      await page.setViewportSize({ width: 360, height: 740 });
      await fits(page, "speakers on a phone");
    }),

  /** A proxy that lets no events through: the page asks for the status instead. */
  polling: () =>
    withPage(async (page) => {
      let streams = 0;
      await page.route("**/events", (route) => {
        streams += 1;
        return route.fulfill({ contentType: "text/event-stream", body: "" });
      });
      await choose(page, settings.clip);
      await waitForStage(page, "completed");
      assert.ok(streams >= 2, "streams were tried first");
      await open(page);
      assert.notEqual(await page.textContent(".row .text"), "");
    }),
};

/** Runs in the page: drops or pastes a file, as the browser would report it. */
function dispatch([type, name, base64]) {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "audio/ogg" }));
  const event =
    type === "drop"
      ? new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true })
      : new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}

/** Runs in the page: pastes a text outside of any field. */
function paste(text) {
  const transfer = new DataTransfer();
  transfer.setData("text/plain", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}
