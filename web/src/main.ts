// The page: recordings come in on the first view, and each has a view with its text. `location.hash` says which is shown.

import { setUpDialogs } from "./dialogs";
import { byId, h, notify } from "./dom";
import { intake, setUpDropping } from "./intake";
import * as jobs from "./jobs";
import { list } from "./list";
import { jobView } from "./view";

let close: (() => void) | null = null;

function show(isFirst: boolean): void {
  const main = byId("main");
  const job = jobs.jobOf(location.hash.slice(1));
  close?.();
  close = null;
  jobs.show(job);
  if (job) {
    const view = jobView(job);
    close = view.close;
    main.replaceChildren(view.element);
    document.title = `${job.name} – Steno`;
  } else {
    main.replaceChildren(h("h1", {}, "Turn recordings into text"), intake(), list());
    document.title = "Steno";
  }
  if (isFirst) return;
  // A heading that says where one is; screen readers read it.
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function start(): Promise<void> {
  setUpDialogs();
  setUpDropping();
  addEventListener("hashchange", () => {
    if (location.hash === "#main") return;
    show(false);
  });
  addEventListener("steno-not-kept", () =>
    notify("This browser cannot keep the recording (no space, or a private window). It is lost when the page is closed."),
  );
  jobs.onChange((job) => {
    if (!job) byId("reach").hidden = jobs.isReached;
  });
  await jobs.restore();
  show(true);
}

void start();
