/** How long calls took. */

const WINDOW = 1_000;

/** The latencies of the last 1,000 calls. */
export class LatencyWindow {
  private readonly kept: number[] = [];
  private n_added = 0;

  add(latency_ms: number): void {
    this.kept[this.n_added++ % WINDOW] = latency_ms;
  }

  /** The smallest latency that is not exceeded by a share of the calls; undefined before the first. */
  percentile(share: number): number | undefined {
    const sorted = [...this.kept].sort((a, b) => a - b);
    return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
  }
}
