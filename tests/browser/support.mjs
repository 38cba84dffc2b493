// What every scenario needs: a browser, a page that is watched for errors and foreign requests, axe, screenshots.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const settings = JSON.parse(process.argv[3] ?? "{}");

/** Asks the test that started this program to do something, and waits until it is done. */
export async function ask(what) {
  console.log(`ask: ${what}`);
  await lines.next();
}

/** Runs a scenario with a page. `expected` are texts of console errors that belong to it. */
export async function withPage(scenario, { expected = [], args = [], ...context } = {}) {
  const browser = await chromium.launch({
    executablePath: settings.browser,
    timeout: 180_000,
    args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", ...args],
  });
  try {
    const visitor = await browser.newContext({ viewport: { width: 1100, height: 850 }, acceptDownloads: true, ...context });
    const page = await visitor.newPage();
    page.setDefaultTimeout(300_000);
    const complaints = [];
    const requests = [];
    const isExpected = (text) => expected.some((known) => text.includes(known));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !isExpected(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => requests.push(request.url()));

    await page.goto(settings.url);
    await page.waitForSelector("h1");
    await scenario(page, { requests });

    assert.deepEqual(complaints, [], "the console has no errors");
    const foreign = requests.filter((url) => !url.startsWith(settings.url) && !/^(blob|data):/.test(url));
    assert.deepEqual(foreign, [], "nothing is asked of other hosts");
  } catch (error) {
    await browser.contexts()[0]?.pages()[0]?.screenshot({ path: `${settings.shots}/failure.png` }).catch(() => {});
    throw error;
  } finally {
    await browser.close();
  }
}

/** Adds recordings as a person does that chooses them. */
export async function choose(page, ...files) {
  await page.setInputFiles("#files", files);
}

/** Waits until the newest job is at a stage. */
export async function waitForStage(page, stage, timeout = 600_000) {
  await page.waitForSelector(`.job[data-stage="${stage}"]`, { timeout });
}

/** Opens the newest job. */
export async function open(page) {
  await page.click(".job-name");
  await page.waitForSelector(".result");
}

/** Opens the newest job when its text is complete. */
export async function openText(page) {
  await waitForStage(page, "completed");
  await open(page);
  await page.waitForSelector(".row .text");
}

/** The longest task of the page's main thread during an action, in milliseconds of processor time: other programs do not count. */
export async function longestTask(page, action) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  await action();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());

  const mains = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }) => mains.some((main) => main.pid === pid && main.tid === tid);
  const tasks = traceEvents.filter((event) => event.name === "RunTask" && event.tdur !== undefined && isMain(event));
  assert.ok(tasks.length > 0, "the trace has tasks with their processor time");
  const longest = tasks.reduce((longest, { tdur }) => Math.max(longest, tdur), 0) / 1000;
  console.log(`longest task: ${Math.round(longest)} ms of ${tasks.length} tasks`);
  return longest;
}

/** Checks a view by the rules of WCAG 2.2 AA, and takes a picture. `without` are rules that do not apply to it. */
export async function inspect(page, name, without = []) {
  // Into a world of its own: the page's policy allows no script but its own.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  await session.send("Runtime.evaluate", { expression: axe, contextId: executionContextId });
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { result } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { runOnly: ${JSON.stringify(tags)} }).then((found) => JSON.stringify(found.violations.map((rule) => [rule.id, rule.nodes.map((node) => node.html.slice(0, 200) + " " + node.failureSummary)])))`,
    contextId: executionContextId,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  mkdirSync(settings.shots, { recursive: true });
  await page.screenshot({ path: `${settings.shots}/${name}.png` });
  const found = JSON.parse(result.value).filter(([rule]) => !without.includes(rule));
  assert.deepEqual(found, [], `axe on ${name}`);
}

/** Nothing is wider than the window. */
export async function fits(page, name) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${name} is ${content} pixels wide in a window of ${window}`);
}

/** Puts a finished job with this text into the browser's database, as if it had come from the server. `more` are further members. */
export async function plant(page, { name, segments, speakers = [], language = "en", more = {} }) {
  await page.evaluate(
    async ([name, segments, speakers, language, more]) => {
      const request = indexedDB.open("steno", 1);
      const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const text = segments.map((segment) => segment.text).join(" ");
      const result = {
        text, language, languages: [], language_probability: 1, duration_seconds: segments.at(-1).end, model: "base", warnings: [], segments, speakers,
      };
      const job = {
        id: "planted", name, address: null, type: "audio/wav", size: 1000, addedAt: Date.now(), stage: "completed", sent: 1, jobId: null, lastEventId: null,
        options: { language: "auto", task: "transcribe", model: "", prompt: "", words: true, speakers: false }, fetch: null, progress: 1, position: null, etaSeconds: null,
        deadline: null, problem: null, live: [], result, isEdited: false, isOnServer: false, ...more,
      };
      const write = database.transaction("jobs", "readwrite");
      write.objectStore("jobs").put(job);
      await new Promise((resolve) => (write.oncomplete = resolve));
      database.close();
    },
    [name, segments, speakers, language, more],
  );
  await page.reload();
  await page.waitForSelector(".job-name");
}

export function segment(id, text, words) {
  const start = id * 2;
  return {
    id, start, end: start + 1.9, text, avg_logprob: -0.2, compression_ratio: 1, no_speech_prob: 0, temperature: 0, tokens: [], words,
  };
}
