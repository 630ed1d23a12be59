// Pages of another machine: its overview and its WS-Management service.
import { useEffect, useState } from "preact/hooks";
import { get, queryWmi } from "./api.js";
import { StateBadge, connect, describe, remove, useStates } from "./machines.js";
import { Network, Services } from "./overview.js";
import { Heading, Link, Problem, Table, Waiting, bytes, go, html, time, useData } from "./router.js";
import { actions } from "./state.js";
import { Query } from "./wmi.js";

/** The machine with its state, asked now and every 30 seconds. */
function useMachine(id) {
  const { data, error, reload } = useData(() => get(`/machines/${id}`), [id], 30000);
  const machine = data?.value;
  const isReachable = machine?.status.state === "reachable";
  useStates(data && [machine]);
  useEffect(() => {
    if (!machine) return;
    actions.value = [
      { label: "Ask again", kind: machine.status.state === "unreachable" ? "primary" : "", run: reload },
      { label: "Connect…", kind: isReachable || machine.status.state === "unreachable" ? "" : "primary", run: () => connect(machine, reload) },
      { label: "Remove…", kind: "danger", run: () => remove(machine, () => go("/machines")) },
    ];
  }, [machine]);
  return { machine, error, reload, isReachable };
}

/** Heading, way, and the state if the machine is not reachable. */
function Head({ machine, error, title }) {
  const { status, url, account } = machine;
  const product = [status.product, status.version].filter(Boolean).join(", ");
  return html`
    <p class="quiet"><${Link} to="/machines">Machines<//> › ${title ? html`<${Link} to=${`/machines/${machine.id}`}>${machine.name}<//>` : machine.name}</p>
    <${Heading} detail=${html`<${StateBadge} status=${status} /> <code>${url}</code> as ${account}${product ? `, ${product}` : ""}`}>${title ? `${title} of ${machine.name}` : machine.name}<//>
    <${Problem} error=${error} />
    ${status.state !== "reachable" && html`<p class="warning" role="status">${describe(machine)}</p>`}`;
}

/** Runs a query on the machine, and returns the values of its rows. */
const valuesOf = async (id, query) => (await queryWmi({ namespace: "root/cimv2", query, limit: 500 }, id)).rows.map((row) => row.values);

function System({ id }) {
  const { data, error } = useData(async () => ({
    system: (await valuesOf(id, "SELECT Caption, Version, OSArchitecture, LastBootUpTime, TotalVisibleMemorySize, FreePhysicalMemory, CSName FROM Win32_OperatingSystem"))[0] ?? {},
    processors: await valuesOf(id, "SELECT Name, NumberOfLogicalProcessors, LoadPercentage FROM Win32_Processor"),
    disks: await valuesOf(id, "SELECT DeviceID, FileSystem, Size, FreeSpace FROM Win32_LogicalDisk"),
  }), [id], 30000);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { system, processors, disks } = data;
  const total = Number(system.TotalVisibleMemorySize) * 1024;
  const free = Number(system.FreePhysicalMemory) * 1024;
  const logical = processors.reduce((sum, one) => sum + Number(one.NumberOfLogicalProcessors || 1), 0);
  const loads = processors.map((one) => Number(one.LoadPercentage)).filter((load) => !Number.isNaN(load));
  const load = loads.length ? `${Math.round(loads.reduce((sum, one) => sum + one, 0) / loads.length)} %` : "unknown";
  const card = (title, text, detail) => html`<section class="card"><h2>${title}</h2><p><strong>${text}</strong></p><p class="quiet">${detail}</p></section>`;
  return html`
    <${Problem} error=${error} />
    <div class="cards">
      ${card("System", system.Caption ?? "unknown", [system.Version, system.OSArchitecture].filter(Boolean).join(", "))}
      ${card("Processor", `${load} of ${logical} logical processors`, processors[0]?.Name ?? "")}
      ${card("Memory", total ? `${bytes(total - free)} of ${bytes(total)}` : "unknown", total ? `${Math.round(((total - free) / total) * 100)} % used` : "")}
      ${card("Started", system.LastBootUpTime ? time(system.LastBootUpTime) : "unknown", system.CSName ?? "")}
    </div>
    <h2>Disks</h2>
    <${Table} caption="Disks" rows=${disks} empty="The machine reports no disks." columns=${[
      ["Disk", (disk) => disk.DeviceID],
      ["File system", (disk) => disk.FileSystem],
      ["Size", (disk) => bytes(Number(disk.Size)), true],
      ["Free", (disk) => bytes(Number(disk.FreeSpace)), true],
      ["Used", (disk) => html`<meter min="0" max="1" high="0.9" value=${Number(disk.Size) ? 1 - disk.FreeSpace / disk.Size : 0} aria-label=${`Used on ${disk.DeviceID}`}></meter>`],
    ]} />`;
}

export function RemoteMachine({ id }) {
  const { machine, error, isReachable } = useMachine(id);
  if (!machine) return html`<${Waiting} error=${error} />`;
  return html`
    <${Head} machine=${machine} error=${error} />
    ${isReachable && html`<p class="links"><${Link} to=${`/machines/${id}/wmi`}>WMI query<//> <${Link} to=${`/machines/${id}/wsman`}>WS-Management<//></p>
      <${System} id=${id} /><${Services} machine=${id} /><${Network} machine=${id} />`}`;
}

export function RemoteQuery({ id }) {
  const { machine, error, isReachable } = useMachine(id);
  if (!machine) return html`<${Waiting} error=${error} />`;
  return html`<${Head} machine=${machine} error=${error} title="WMI query" />${isReachable && html`<${Query} machine=${id} />`}`;
}

/** A part of the service's configuration, or the reason why the user cannot read it. */
function Part({ title, part, children }) {
  return html`<h2>${title}</h2>${part.value ? children(part.value) : html`<p class="warning">Not readable: ${part.reason}</p>`}`;
}

const text = (value) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.map(text).join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));

function WsManParts({ id }) {
  const { data, error } = useData(() => get(`/machines/${id}/wsman`), [id]);
  const [filter, setFilter] = useState("");
  if (!data) return html`<${Waiting} error=${error} />`;
  const { config, listeners, shells } = data.value;
  return html`
    <${Part} title="Listeners" part=${listeners}>${(rows) => html`<${Table} caption="Listeners" rows=${rows} empty="There is no listener." columns=${[
      ["Address", (one) => text(one.Address)],
      ["Transport", (one) => text(one.Transport)],
      ["Port", (one) => text(one.Port), true],
      ["Listening on", (one) => text(one.ListeningOn)],
      ["Certificate", (one) => html`<code class="break">${text(one.CertificateThumbprint)}</code>`],
      ["State", (one) => html`<span class=${one.Enabled === "true" ? "badge ok" : "badge"}>${one.Enabled === "true" ? "enabled" : "disabled"}</span>`],
    ]} />`}<//>
    <${Part} title="Open shells" part=${shells}>${(rows) => html`<${Table} caption="Open shells" rows=${rows} empty="No shell is open." columns=${[
      ["Owner", (one) => text(one.Owner)],
      ["Client", (one) => text(one.ClientIP)],
      ["Name", (one) => text(one.Name)],
      ["State", (one) => text(one.State)],
      ["Open for", (one) => text(one.ShellRunTime)],
      ["Idle for", (one) => text(one.ShellInactivity)],
      ["Shell", (one) => html`<code title=${text(one.ShellId)}>${text(one.ShellId).slice(0, 8)}…</code>`],
    ]} />`}<//>
    <${Part} title="Settings" part=${config}>${(rows) => html`
      <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      <${Table} caption="Settings" rows=${rows.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()))} empty="No setting matches." columns=${[
        ["Setting", (one) => html`<code>${one.name}</code>`],
        ["Value", (one) => html`<span class="break">${one.value || "–"}</span>`],
      ]} />`}<//>`;
}

export function RemoteWsMan({ id }) {
  const { machine, error, isReachable } = useMachine(id);
  if (!machine) return html`<${Waiting} error=${error} />`;
  return html`<${Head} machine=${machine} error=${error} title="WS-Management" />${isReachable && html`<${WsManParts} id=${id} />`}`;
}
