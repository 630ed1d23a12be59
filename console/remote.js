// Pages of another machine: its overview, its collector of events, and the frame around the pages that all machines have.
import { useEffect } from "preact/hooks";
import { get, queryWmi } from "./api.js";
import { StateBadge, connect, describe, remove, useStates } from "./machines.js";
import { Network, Services } from "./overview.js";
import { Heading, Link, Problem, Table, Waiting, bytes, go, html, time, useData } from "./router.js";
import { actions } from "./state.js";

/** The machine with its state, asked now and every 30 seconds. */
function useMachine(id) {
  const { data, error, reload } = useData(() => get(`/machines/${id}`), [id], 30000);
  const machine = data?.value;
  useStates(data && [machine]);
  return { machine, error, reload, isReachable: machine?.status.state === "reachable" };
}

/** Sets the actions on the entry of a machine, for pages without actions of their own. */
function useActions(machine, reload) {
  useEffect(() => {
    if (!machine) return;
    const { state } = machine.status;
    actions.value = [
      { label: "Ask again", kind: state === "unreachable" ? "primary" : "", run: reload },
      { label: "Connect…", kind: state === "reachable" || state === "unreachable" ? "" : "primary", run: () => connect(machine, reload) },
      { label: "Remove…", kind: "danger", run: () => remove(machine, () => go("/machines")) },
    ];
  }, [machine]);
}

/** Way to a page of a machine, with its state. */
function Way({ machine, title }) {
  return html`<p class="quiet"><${Link} to="/machines">Machines<//> › ${title ? html`<${Link} to=${`/machines/${machine.id}`}>${machine.name}<//> <${StateBadge} status=${machine.status} />` : machine.name}</p>`;
}

/** Heading of a machine and its state, if it is not reachable in words. */
export function Head({ machine, error, title }) {
  const { status, url, account } = machine;
  const product = [status.product, status.version].filter(Boolean).join(", ");
  return html`
    <${Heading} detail=${html`<${StateBadge} status=${status} /> <code>${url}</code> as ${account}${product ? `, ${product}` : ""}`}>${title ? `${title} of ${machine.name}` : machine.name}<//>
    <${Problem} error=${error} />
    ${status.state !== "reachable" && html`<p class="warning" role="status">${describe(machine)}</p>`}`;
}

/** A machine that cannot be used now: why, and the actions that may help. */
function Unusable({ machine, error, reload, title }) {
  useActions(machine, reload);
  return html`<${Head} machine=${machine} error=${error} title=${title} />`;
}

/** A page of another machine: the page of this machine, with the other one as its source. It is shown while the machine is reachable. */
export function Remote({ id, title, page }) {
  const { machine, error, reload, isReachable } = useMachine(id);
  if (!machine) return html`<${Waiting} error=${error} />`;
  return html`<${Way} machine=${machine} title=${title} />
    ${isReachable ? page(machine) : html`<${Unusable} machine=${machine} error=${error} reload=${reload} title=${title} />`}`;
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

/** Address of the console of a machine's own Web Management Service at its usual port. */
function consoleOf({ url }) {
  const { hostname } = new URL(url);
  return `https://${hostname}:8172/`;
}

/** Returns whether a machine with this state runs Windows, whose IIS is administered through WMI. */
export const isWindows = ({ product }) => /microsoft/i.test(product ?? "");

/** Web servers of a machine: IIS of Windows, or those that the own console of a machine with Telarch administers. */
function WebServers({ machine }) {
  if (isWindows(machine.status)) return html`<p><${Link} to=${`/machines/${machine.id}/iis`}>Sites and application pools of IIS<//></p>`;
  return html`<${OwnConsole} machine=${machine} />`;
}

/** Address of the console of a machine with Telarch. */
function OwnConsole({ machine }) {
  const isTelarch = machine.status.product === "Telarch";
  const query = "SELECT Name, State FROM Win32_Service WHERE Name = 'telarch-management'";
  const { data } = useData(async () => (isTelarch ? valuesOf(machine.id, query).catch(() => []) : null), [machine.id, isTelarch]);
  const text = "Only the web server of Windows is available through WS-Management.";
  if (!isTelarch) return html`<p>${text}</p>`;
  const service = data?.[0];
  return html`<p>${text} The console of ${machine.name} itself shows them, usually at <a href=${consoleOf(machine)} target="_blank" rel="noopener noreferrer">${consoleOf(machine)}</a>.</p>
    ${service && service.State !== "Running" && html`<p class="warning">The Web Management Service of ${machine.name} is ${String(service.State).toLowerCase()}. The command <code>systemctl start telarch-management</code> on the machine starts it.</p>`}
    ${data && !service && html`<p class="quiet">No system service named telarch-management was found on ${machine.name}; its console may not be installed.</p>`}`;
}

function MachineOverview({ machine, error, reload }) {
  const { id } = machine;
  useActions(machine, reload);
  return html`<${Head} machine=${machine} error=${error} />
    <p class="links"><${Link} to=${`/machines/${id}/wmi`}>WMI<//> <${Link} to=${`/machines/${id}/events`}>Events<//> <${Link} to=${`/machines/${id}/wsman`}>WS-Management<//> <${Link} to=${`/machines/${id}/hardware`}>Hardware<//></p>
    <${System} id=${id} /><${Services} machine=${id} /><${Network} machine=${id} />
    <h2>Web server</h2>
    <${WebServers} machine=${machine} />`;
}

export function RemoteMachine({ id }) {
  const { machine, error, reload, isReachable } = useMachine(id);
  if (!machine) return html`<${Waiting} error=${error} />`;
  const Content = isReachable ? MachineOverview : Unusable;
  return html`<${Way} machine=${machine} /><${Content} machine=${machine} error=${error} reload=${reload} />`;
}

/** Subscriptions and sources as `wecutil` of the machine reports them. */
function CollectorParts({ id }) {
  const { data, error } = useData(() => get(`/machines/${id}/events/collector`), [id]);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { subscriptions, omitted } = data.value;
  const sources = subscriptions.flatMap(({ name, sources: all }) => all.map((source) => ({ subscription: name, ...source })));
  return html`
    <h2>Subscriptions</h2>
    <${Table} caption="Subscriptions" rows=${subscriptions} empty="There is no subscription." columns=${[
      ["Name", (one) => one.name],
      ["State", (one) => html`<span class=${one.status.RunTimeStatus === "Active" ? "badge ok" : "badge"}>${one.status.RunTimeStatus}</span>`],
      ["Sources", (one) => one.sources.length, true],
    ]} />
    ${omitted > 0 && html`<p class="warning">${omitted} more ${omitted === 1 ? "subscription is" : "subscriptions are"} not shown: only the first 50, and only names of letters, digits, blanks, <code>-</code>, <code>_</code>, <code>.</code> and parentheses. The command <code>wecutil es</code> on the machine lists all.</p>`}
    <h2>Sources</h2>
    <${Table} caption="Sources" rows=${sources} empty="No source has sent a message yet." columns=${[
      ["Source", (one) => one.name],
      ["Subscription", (one) => one.subscription],
      ["State", (one) => html`<span class=${one.status.RunTimeStatus === "Active" ? "badge ok" : "badge"}>${one.status.RunTimeStatus}</span>`],
      ["Last contact (UTC)", (one) => one.status.LastHeartbeatTime || "never"],
      ["Fault", (one) => one.status.ErrorMessage],
    ]} />`;
}

/** The collector of a machine. */
export function RemoteCollector({ machine }) {
  return html`<p class="links"><${Link} to=${`/machines/${machine.id}/events`}>Events<//></p>
    <${Heading} detail="Events that other machines forward to this machine.">Collector of ${machine.name}<//>
    <${CollectorParts} id=${machine.id} />`;
}
