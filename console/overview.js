// Overview of the machine.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { Heading, Link, Problem, Table, Waiting, bytes, html, time, useData } from "./router.js";
import { notice } from "./state.js";

/** A line chart of numbers from 0 to `most`, with its last value in words. */
function Chart({ label, values, most, text }) {
  const width = 300;
  const points = values.map((value, at) => `${((at / Math.max(values.length - 1, 1)) * width).toFixed(1)},${(60 - (Math.min(value, most) / (most || 1)) * 56).toFixed(1)}`);
  return html`<figure class="card chart">
    <figcaption><span>${label}</span> <strong>${text}</strong></figcaption>
    <svg viewBox=${`0 0 ${width} 62`} preserveAspectRatio="none" role="img" aria-label=${`${label}: ${text}`}>
      ${points.length > 1 && html`<polygon points=${`0,62 ${points.join(" ")} ${width},62`} /><polyline points=${points.join(" ")} />`}
    </svg>
  </figure>`;
}

function duration(seconds) {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  return days ? `${days} d ${hours} h` : `${hours} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Samples of the load, extended every two seconds. */
function useSamples() {
  const [samples, setSamples] = useState([]);
  useEffect(() => {
    let last = 0;
    const read = async () => {
      if (document.hidden) return;
      try {
        const { value } = await get("/machine/metrics", { since: last });
        last = value.samples.at(-1)?.time ?? last;
        setSamples((old) => [...old, ...value.samples].slice(-300));
      } catch (failure) {
        notice.value = { kind: "error", text: failure.message };
      }
    };
    read();
    const timer = setInterval(read, 2000);
    return () => clearInterval(timer);
  }, []);
  return samples;
}

export function Overview() {
  const machine = useData(() => get("/machine"), [], 30000);
  const web = useData(() => get("/web").catch((error) => ({ error })), [], 10000);
  const history = useData(() => get("/web/history", { limit: 5 }).catch(() => null));
  const samples = useSamples();
  if (!machine.data) return html`<${Waiting} error=${machine.error} />`;
  const { host_name, system, kernel, uptime_seconds, processors, load, memory_total, disks } = machine.data.value;
  const last = samples.at(-1);
  const used = last?.memory_used ?? memory_total - machine.data.value.memory_available;
  const rate = samples.map((sample) => sample.network_received + sample.network_sent);
  const server = web.data?.value;
  return html`
    <${Heading} detail=${`${system ?? "Linux"}, kernel ${kernel ?? "unknown"}, up ${duration(uptime_seconds ?? 0)}`}>${host_name}<//>
    <${Problem} error=${machine.error} />
    <div class="cards">
      <${Chart} label=${`Processor (${processors})`} most=${100} values=${samples.map((sample) => sample.cpu_percent)} text=${last ? `${last.cpu_percent.toFixed(0)} %` : "…"} />
      <${Chart} label="Memory" most=${memory_total} values=${samples.map((sample) => sample.memory_used)} text=${`${bytes(used)} of ${bytes(memory_total)}`} />
      <${Chart} label="Network" most=${Math.max(...rate, 1024)} values=${rate} text=${`${bytes(rate.at(-1) ?? 0)}/s`} />
      <section class="card">
        <h2>Web server</h2>
        ${server
          ? html`<p><span class=${server.status.state === "running" ? "badge ok" : "badge error"}>${server.status.state}</span> ${server.info.product} ${server.info.version}</p>
              <p class="quiet">Worker processes: ${server.status.workers?.length ?? 0}, configuration files: ${server.files?.length ?? 0}</p>
              <p><${Link} to="/web/sites">Sites<//></p>`
          : html`<p class="quiet">${web.data?.error?.message ?? "…"}</p>`}
      </section>
    </div>
    <h2>Disks</h2>
    <${Table} caption="Disks" rows=${disks} columns=${[
      ["Mounted at", (disk) => disk.path],
      ["File system", (disk) => disk.kind],
      ["Size", (disk) => bytes(disk.size), true],
      ["Free", (disk) => bytes(disk.free), true],
      ["Used", (disk) => html`<meter min="0" max="1" high="0.9" value=${disk.size ? 1 - disk.free / disk.size : 0} aria-label=${`Used on ${disk.path}`}></meter>`],
    ]} />
    <p class="quiet">Load average: ${load.map((number) => number.toFixed(2)).join(", ")}</p>
    ${history.data && html`<h2>Recent changes</h2>
      <${Table} caption="Recent changes" rows=${history.data.value.commits} columns=${[
        ["Commit", (commit) => html`<${Link} to=${`/web/history/${commit.number}`}>${commit.number}<//>`],
        ["Time", (commit) => time(commit.time)],
        ["By", (commit) => commit.author ?? "outside"],
        ["Reason", (commit) => commit.message],
      ]} />`}`;
}
