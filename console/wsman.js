// The WS-Management service of the machine: configuration, certificate mappings and open shells.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Heading, Problem, Table, Waiting, html, timeSpan, useData } from "./router.js";
import { actions, hasRole, notice, writes } from "./state.js";
import { ListenerButtons, MappingButton, SettingButton, addListener, addMapping } from "./wsman-changes.js";

const sources = { local: "ok", policy: "warn", default: "" };

/** Whether a setting is a quota or a limit. */
const isQuota = ({ name }) => /Max|Timeout|Quota|Limit/.test(name.split("/").pop());

function Settings({ settings, caption, reload }) {
  return html`<${Table} caption=${caption} rows=${settings} empty="No setting matches." columns=${[
    ["Setting", (one) => html`<code title=${one.about}>${one.name}</code>`],
    ["Value", (one) => html`<span class="break">${one.value || "–"}</span>`],
    ["Source", (one) => html`<span class=${`badge ${sources[one.source]}`}>${one.source}</span>`],
    ["Origin", (one) => (one.source === "default" ? "" : html`<code>${one.origin}</code>`)],
    ...(hasRole("administrator") ? [["", (one) => html`<${SettingButton} resource="/wsman" setting=${one} reload=${reload} />`]] : []),
  ]} />`;
}

const Stopped = () => html`<p class="quiet">The WS-Management service does not run. The command <code>systemctl start telarchd</code> starts it.</p>`;

/** Returns the kind of a shell from its resource URI, as `cmd` or `Microsoft.PowerShell`. */
const kindOf = ({ resource }) => resource.split("/").pop();

/** Open shells, and the end of one after a confirmation. */
function Shells() {
  const { data, error, reload } = useData(() => get("/wsman/shells"), [], 10000);
  if (!data) return html`<h2>Open shells</h2><${Waiting} error=${error} />`;
  const { is_running, account, shells } = data.value;
  const end = (shell) => confirm(`End the shell of ${shell.owner}?`,
    `Its processes are ended at once, and unsaved data is lost. Client: ${shell.client || "unknown"}. Shell: ${shell.id}`, "End shell", async () => {
      await change("DELETE", `/wsman/shells/${encodeURIComponent(shell.id)}`);
      await reload();
      notice.value = { kind: "ok", text: `The shell of ${shell.owner} has ended.` };
    });
  return html`<h2>Open shells</h2>
    <${Problem} error=${error} />
    ${is_running
      ? html`<p class="quiet">The service shows a shell to its owner only. These are the shells of ${account}, the account of this console.</p>
        <${Table} caption="Open shells" rows=${shells} empty="No shell is open." columns=${[
          ["Owner", (one) => one.owner],
          ["Client", (one) => one.client || "–"],
          ["Resource", (one) => html`<span title=${one.resource}>${kindOf(one)}</span>`],
          ["Name", (one) => one.name ?? ""],
          ["State", (one) => html`<span class=${one.is_disconnected ? "badge warn" : "badge ok"}>${one.is_disconnected ? "disconnected" : "connected"}</span>`],
          ["Open for", (one) => timeSpan(one.open_seconds), true],
          ["Idle for", (one) => `${timeSpan(one.idle_seconds)}${one.idle_limit_seconds === null ? "" : ` of ${timeSpan(one.idle_limit_seconds)}`}`, true],
          ["Processes", (one) => one.processes ?? "–", true],
          ["Shell", (one) => html`<code title=${one.id}>${one.id.slice(0, 8)}…</code>`],
          ["", (one) => html`<button class="danger" onClick=${() => end(one)} aria-label=${`End shell ${one.id.slice(0, 8)} of ${one.owner}`}>End…</button>`],
        ]} />`
      : html`<${Stopped} />`}`;
}

/** Mappings of client certificates to accounts. */
function CertificateMappings() {
  const { data, error, reload } = useData(() => get("/wsman/certificate-mappings"));
  if (!data) return html`<h2>Certificate mappings</h2><${Waiting} error=${error} />`;
  const { is_running, mappings } = data.value;
  return html`<h2>Certificate mappings</h2>
    <${Problem} error=${error} />
    ${is_running
      ? html`<${Table} caption="Certificate mappings" rows=${mappings} empty="No client certificate is mapped to an account." columns=${[
        ["Subject", (one) => html`<span class="break">${one.subject}</span>`],
        ["Issuer", (one) => html`<code class="break">${one.issuer}</code>`],
        ["URI", (one) => html`<code class="break">${one.uri}</code>`],
        ["User", (one) => one.user],
        ["State", (one) => html`<span class=${one.is_enabled ? "badge ok" : "badge"}>${one.is_enabled ? "enabled" : "disabled"}</span>`],
        ["", (one) => html`<${MappingButton} resource="/wsman" mapping=${one} reload=${reload} />`],
      ]} />
      <p><button onClick=${() => addMapping("/wsman", reload)}>Add mapping…</button></p>`
      : html`<${Stopped} />`}`;
}

/** Parts that the running service answers, for administrators. */
const Running = () => hasRole("administrator") && html`<${Shells} /><${CertificateMappings} />`;

export function WsMan() {
  const { data, error, reload } = useData(() => get("/wsman"));
  useEffect(() => {
    if (data?.value.is_configured && hasRole("administrator")) actions.value = [{ label: "Add listener", kind: "primary", run: () => addListener("/wsman", reload) }];
  }, [data]);
  const [filter, setFilter] = useState("");
  const [isChangedOnly, setChangedOnly] = useState(false);
  if (!data) return html`<${Heading}>WS-Management<//><${Waiting} error=${error} />`;
  const { file, preset, settings, listeners, plugins, policies, unknown_policies } = data.value;
  if (!data.value.is_configured) return html`<${Heading}>WS-Management<//><p>The WS-Management service of this machine has no configuration. The command <code>winrm quickconfig</code> sets it up.</p><${Running} />`;
  writes.value = `Configuration: ${file}`;
  const text = filter.toLowerCase();
  const found = settings.filter((one) => (!isChangedOnly || one.source !== "default") && one.name.toLowerCase().includes(text));
  return html`
    <${Heading} detail=${html`<code>${file}</code>, preset ${preset}`}>WS-Management<//>
    <h2>Listeners</h2>
    <${Table} caption="Listeners" rows=${listeners} empty="There is no listener: the service accepts no connections from other machines." columns=${[
      ["Address", (one) => one.address],
      ["Transport", (one) => one.transport],
      ["Port", (one) => one.port, true],
      ["Host name", (one) => one.hostname],
      ["URL prefix", (one) => html`<code>${one.url_prefix}</code>`],
      ["Certificate", (one) => one.certificate_thumbprint && html`<code>${one.certificate_thumbprint.slice(0, 12)}…</code>`],
      ["State", (one) => html`<span class=${one.is_enabled ? "badge ok" : "badge"}>${one.is_enabled ? "enabled" : "disabled"}</span>`],
      ["Source", (one) => one.source],
      ...(hasRole("administrator") ? [["", (one) => one.source === "local" && html`<${ListenerButtons} resource="/wsman" listener=${one} reload=${reload} />`]] : []),
    ]} />
    <${Running} />
    <h2>Settings</h2>
    <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    <label class="check"><input type="checkbox" checked=${isChangedOnly} onChange=${(event) => setChangedOnly(event.target.checked)} />Only settings without the default</label>
    <${Settings} caption="Settings" settings=${found.filter((one) => !isQuota(one))} reload=${reload} />
    <h2>Quotas and timeouts</h2>
    <${Settings} caption="Quotas and timeouts" settings=${found.filter(isQuota)} reload=${reload} />
    <h2>Plug-ins</h2>
    <${Table} caption="Plug-ins" rows=${plugins} columns=${[
      ["Plug-in", (one) => one.name],
      ["State", (one) => html`<span class=${one.is_enabled ? "badge ok" : "badge"}>${one.is_enabled ? "enabled" : "disabled"}</span>`],
      ["Resources", (one) => html`<span>${one.resources.map((uri) => html`<code class="line">${uri}</code>`)}</span>`],
      ["Access", (one) => html`<span>${one.security.map((entry) => html`<code class="line">${entry.sddl}</code>`)}</span>`],
    ]} />
    <h2>Policies</h2>
    <${Table} caption="Policies" rows=${[...policies, ...unknown_policies]} empty="No policy is set." columns=${[
      ["Setting or policy", (one) => html`<code>${one.name}</code>`],
      ["Value", (one) => one.value ?? "unknown policy"],
      ["Origin", (one) => html`<code>${one.origin}</code>`],
    ]} />`;
}
