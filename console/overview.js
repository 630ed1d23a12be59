// Overview of the machine.
import { useEffect, useState } from "preact/hooks";
import { follow, get, queryWmi } from "./api.js";
import { daysLeft } from "./certificates.js";
import { Heading, Link, Problem, Table, Waiting, bytes, html, time, useData } from "./router.js";
import { instanceUrl } from "./wmi.js";

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

/** Samples of the load as the server sends them, and whether they arrive. */
function useSamples() {
  const [samples, setSamples] = useState([]);
  const [isLive, setLive] = useState(false);
  useEffect(() => follow("/machine/metrics", {}, (source) => {
    source.onopen = () => setLive(true);
    source.onmessage = (event) => setSamples((old) => {
      const added = JSON.parse(event.data).filter((sample) => sample.time > (old.at(-1)?.time ?? 0));
      return [...old, ...added].slice(-300);
    });
    // The browser connects again by itself.
    source.onerror = () => setLive(false);
  }), []);
  return { samples, isLive };
}

/** Runs a query of the machine's WMI, or of another machine's; null if it fails, for a part of the page that is not essential. */
const rowsOf = (query, machine, namespace = "root/cimv2") => queryWmi({ namespace, query, limit: 500 }, machine).then(({ rows }) => rows).catch(() => null);

/** Services: their number by state, and those that failed. */
export function Services({ machine }) {
  const { data } = useData(() => rowsOf("SELECT Name, DisplayName, State, StartMode, Status, ExitCode FROM Win32_Service", machine), [machine], 30000);
  const [filter, setFilter] = useState("");
  const [isAll, setAll] = useState(false);
  if (!data) return html`<h2>Services</h2><p class="quiet">${data === undefined ? "Reading the services…" : "The services of this machine cannot be read."}</p>`;
  const services = data.map((row) => row.values);
  const text = filter.toLowerCase();
  const isBad = (service) => service.Status && service.Status !== "OK" && service.Status !== "Unknown";
  const found = services.filter((service) => `${service.Name} ${service.DisplayName}`.toLowerCase().includes(text));
  const sorted = [...found].sort((one, other) => isBad(other) - isBad(one) || (other.State === "Running") - (one.State === "Running") || one.Name.localeCompare(other.Name));
  const running = services.filter((service) => service.State === "Running").length;
  return html`<h2>Services</h2>
    <p class="quiet">${running} of ${services.length} running${services.some(isBad) ? `, ${services.filter(isBad).length} with problems` : ""}</p>
    ${services.length > 0 && html`<label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>`}
    <${Table} caption="Services" rows=${isAll ? sorted : sorted.slice(0, 10)} empty="There is no such service." columns=${[
      ["Service", (service) => html`<${Link} to=${instanceUrl("root/cimv2", `Win32_Service.Name="${service.Name.replace(/[\\"]/g, "\\$&")}"`, machine)}>${service.Name}<//>`],
      ["Description", (service) => service.DisplayName],
      ["State", (service) => html`<span class=${`badge ${isBad(service) ? "error" : service.State === "Running" ? "ok" : ""}`}>${service.State}${isBad(service) ? `, ${service.Status}` : ""}</span>`],
      ["Start", (service) => service.StartMode],
    ]} />
    ${!isAll && sorted.length > 10 && html`<p><button onClick=${() => setAll(true)}>Show all ${sorted.length}</button></p>`}`;
}

/** Returns the elements of an array, which another machine sends as one value if it has only one element. */
const listOf = (value) => [value ?? []].flat();

/** Network adapters with their addresses. */
export function Network({ machine }) {
  const { data } = useData(() => rowsOf("SELECT Index, Description, IPAddress, MACAddress, DefaultIPGateway, DHCPEnabled FROM Win32_NetworkAdapterConfiguration WHERE IPEnabled = TRUE", machine), [machine], 60000);
  if (!data?.length) return null;
  return html`<h2>Network</h2>
    <${Table} caption="Network" rows=${data.map((row) => row.values)} columns=${[
      ["Adapter", (adapter) => adapter.Description],
      ["Addresses", (adapter) => listOf(adapter.IPAddress).join(", ")],
      ["Gateway", (adapter) => listOf(adapter.DefaultIPGateway).join(", ")],
      ["MAC address", (adapter) => html`<code>${adapter.MACAddress}</code>`],
      ["DHCP", (adapter) => (String(adapter.DHCPEnabled) === "true" ? "yes" : "no")],
    ]} />`;
}

/** Days until certificates of the web server expire, the nearest first. */
function Certificates() {
  const { data } = useData(() => get("/web/certificates").catch(() => null));
  const list = (data?.value.certificates ?? []).filter((one) => one.content?.Ok?.not_after);
  if (!list.length) return null;
  const days = (one) => daysLeft(one.content.Ok);
  const sorted = [...list].sort((one, other) => days(one) - days(other)).slice(0, 5);
  return html`<h2>Certificates of the web server</h2>
    <${Table} caption="Certificates of the web server" rows=${sorted} columns=${[
      ["File", (one) => html`<code>${one.path}</code>`],
      ["Expires", (one) => time(one.content.Ok.not_after)],
      ["State", (one) => html`<span class=${`badge ${days(one) < 30 ? "error" : "ok"}`}>${days(one) < 0 ? "expired" : `${days(one)} days left`}</span>`],
    ]} />`;
}

export function Overview() {
  const machine = useData(() => get("/machine"), [], 30000);
  const web = useData(() => get("/web").catch((error) => ({ error })), [], 10000);
  const history = useData(() => get("/web/history", { limit: 5 }).catch(() => null));
  const { samples, isLive } = useSamples();
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
    <p class="quiet">Load average: ${load.map((number) => number.toFixed(2)).join(", ")}. ${isLive ? "Live data." : "Not connected to live data; trying again."}</p>
    <${Services} />
    <${Network} />
    <${Certificates} />
    ${history.data && html`<h2>Recent changes</h2>
      <${Table} caption="Recent changes" rows=${history.data.value.commits} columns=${[
        ["Commit", (commit) => html`<${Link} to=${`/web/history/${commit.number}`}>${commit.number}<//>`],
        ["Time", (commit) => time(commit.time)],
        ["By", (commit) => commit.author ?? "outside"],
        ["Reason", (commit) => commit.message],
      ]} />`}`;
}
