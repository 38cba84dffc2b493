// A list that has only the rows in sight on the page, so that 10,000 rows scroll like ten.

/** Rows above and below what is in sight, in pixels. */
const MARGIN = 600;

export class VirtualList {
  private heights: Float64Array;
  private readonly rows = new Map<number, HTMLElement>();
  private readonly sizes: ResizeObserver;
  private isDrawing = false;

  constructor(
    /** Scrolls, and has a height of its own. */
    readonly box: HTMLElement,
    /** Holds the rows; a child of `box`. */
    readonly inner: HTMLElement,
    private count: number,
    estimate: number,
    private readonly rowOf: (index: number) => HTMLElement,
  ) {
    this.heights = new Float64Array(count).fill(estimate);
    this.sizes = new ResizeObserver(() => this.measure());
    this.sizes.observe(box);
    box.addEventListener("scroll", () => this.draw(), { passive: true });
  }

  close(): void {
    this.sizes.disconnect();
  }

  /** The row, if it is on the page. */
  row(index: number): HTMLElement | undefined {
    return this.rows.get(index);
  }

  /** Makes a row anew. */
  renew(index: number): void {
    const old = this.rows.get(index);
    if (!old) return;
    const row = this.make(index);
    row.style.top = old.style.top;
    old.replaceWith(row);
    this.rows.set(index, row);
    this.measure();
  }

  renewAll(): void {
    for (const index of [...this.rows.keys()]) this.renew(index);
  }

  /** Appends rows. */
  grow(count: number, estimate: number): void {
    const heights = new Float64Array(count).fill(estimate);
    heights.set(this.heights.subarray(0, count));
    this.heights = heights;
    this.count = count;
    this.draw();
  }

  /** Scrolls until the row is in sight; it is then on the page. */
  show(index: number): HTMLElement | undefined {
    // Rows on the way are measured as they come in sight: the place is exact after a few rounds.
    for (let round = 0; round < 4; round += 1) {
      const top = this.top(index);
      const height = this.heights[index] ?? 0;
      const { scrollTop, clientHeight } = this.box;
      if (top < scrollTop || top + height > scrollTop + clientHeight) {
        this.box.scrollTop = Math.max(0, top - clientHeight / 3);
      }
      this.draw();
    }
    return this.rows.get(index);
  }

  /** Brings the rows in sight on the page, and takes the others off. */
  draw(): void {
    if (this.isDrawing) return;
    this.isDrawing = true;
    const from = this.box.scrollTop - MARGIN;
    const to = this.box.scrollTop + this.box.clientHeight + MARGIN;
    const focused = document.activeElement;

    let top = 0;
    let before: HTMLElement | null = null;
    for (let index = 0; index < this.count; index += 1) {
      const height = this.heights[index] ?? 0;
      const isSeen = top + height > from && top < to;
      let row = this.rows.get(index);
      // The row that has the focus stays, or the keyboard would lose its place.
      if (row && !isSeen && !row.contains(focused)) {
        this.sizes.unobserve(row);
        row.remove();
        this.rows.delete(index);
        row = undefined;
      } else if (!row && isSeen) {
        row = this.make(index);
        this.rows.set(index, row);
        // In the order of the text, for those who read it by the order of the page.
        if (before) before.after(row);
        else this.inner.prepend(row);
      }
      if (row) {
        row.style.top = `${top}px`;
        before = row;
      }
      top += height;
    }
    this.inner.style.height = `${top}px`;
    this.isDrawing = false;
    this.measure();
  }

  private make(index: number): HTMLElement {
    const row = this.rowOf(index);
    row.setAttribute("aria-setsize", String(this.count));
    row.setAttribute("aria-posinset", String(index + 1));
    this.sizes.observe(row);
    return row;
  }

  private measure(): void {
    let hasChanged = false;
    for (const [index, row] of this.rows) {
      const height = row.offsetHeight;
      if (height > 0 && Math.abs(height - (this.heights[index] ?? 0)) > 0.5) {
        this.heights[index] = height;
        hasChanged = true;
      }
    }
    if (hasChanged) this.draw();
  }

  private top(index: number): number {
    let top = 0;
    for (let at = 0; at < index; at += 1) top += this.heights[at] ?? 0;
    return top;
  }
}
