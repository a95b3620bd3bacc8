import type { Score } from "compat-export-client";
import { useModel } from "compat-export-client/react";
import { type SubmitEvent, useState } from "react";
import { type Features, model, service } from "./model.ts";

interface Field {
  readonly name: keyof Features;
  readonly label: string;
  readonly unit: string;
  readonly max: number;
  readonly value: number;
}

const FIELDS: readonly Field[] = [
  { name: "likesGiven", label: "Likes given", unit: "in 30 days", max: 30, value: 4 },
  { name: "likesReceived", label: "Likes received", unit: "in 30 days", max: 30, value: 5 },
  { name: "commentsCount", label: "Comments", unit: "in 30 days", max: 150, value: 20 },
  { name: "proximityKm", label: "Distance", unit: "km", max: 300, value: 12 },
  { name: "responseTimeMs", label: "Response time", unit: "ms", max: 60_000, value: 20_000 },
  { name: "sharedInterestsCount", label: "Shared interests", unit: "", max: 20, value: 6 },
  { name: "ageGap", label: "Age gap", unit: "years", max: 40, value: 3 },
  { name: "bigFiveCompatibility", label: "Big Five", unit: "share", max: 1, value: 0.7 },
];

function featuresOf(form: FormData): Features {
  return Object.fromEntries(FIELDS.map(({ name }) => [name, Number(form.get(name))])) as unknown as Features;
}

export function App() {
  const { isLoading, progress, error, load } = useModel(model, { autoLoad: true });
  const [score, setScore] = useState<Score>();

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    setScore(await service.score(featuresOf(new FormData(event.currentTarget))));
  }

  return (
    <main>
      <h1>Compatibility</h1>
      {isLoading && <Spinner loaded={progress?.loaded_bytes ?? 0} total={progress?.total_bytes ?? 0} />}
      {error !== undefined && (
        <p role="alert">
          {String(error)} <button onClick={() => load().catch(() => undefined)}>Try again</button>
        </p>
      )}
      <form onSubmit={submit}>
        {FIELDS.map(({ name, label, unit, max, value }) => (
          <label key={name}>
            {label} <small>{unit}</small>
            <input name={name} type="number" required min={0} max={max} step="any" defaultValue={value} />
          </label>
        ))}
        <button disabled={isLoading}>Score</button>
      </form>
      {score !== undefined && <Result score={score} />}
    </main>
  );
}

function Spinner({ loaded, total }: { readonly loaded: number; readonly total: number }) {
  return (
    <p role="status">
      <span className="spinner" /> loading the model, {loaded} of {total || "?"} bytes
    </p>
  );
}

function Result({ score }: { readonly score: Score }) {
  return (
    <dl>
      <dt>Score</dt>
      <dd id="score">{score.score.toFixed(6)}</dd>
      <dt>Source</dt>
      <dd id="source">{score.source}</dd>
      <dt>Latency</dt>
      <dd id="latency">{score.latency_ms.toFixed(1)} ms</dd>
    </dl>
  );
}
