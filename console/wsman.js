// Configuration of the WS-Management service of the machine.
import { useState } from "preact/hooks";
import { get } from "./api.js";
import { Heading, Table, Waiting, html, useData } from "./router.js";
import { writes } from "./state.js";

const sources = { local: "ok", policy: "warn", default: "" };

/** Whether a setting is a quota or a limit. */
const isQuota = ({ name }) => /Max|Timeout|Quota|Limit/.test(name.split("/").pop());

function Settings({ settings, caption }) {
  return html`<${Table} caption=${caption} rows=${settings} empty="No setting matches." columns=${[
    ["Setting", (one) => html`<code title=${one.about}>${one.name}</code>`],
    ["Value", (one) => html`<span class="break">${one.value || "–"}</span>`],
    ["Source", (one) => html`<span class=${`badge ${sources[one.source]}`}>${one.source}</span>`],
    ["Origin", (one) => (one.source === "default" ? "" : html`<code>${one.origin}</code>`)],
  ]} />`;
}

export function WsMan() {
  const { data, error } = useData(() => get("/wsman"));
  const [filter, setFilter] = useState("");
  const [isChangedOnly, setChangedOnly] = useState(false);
  if (!data) return html`<${Heading}>WS-Management<//><${Waiting} error=${error} />`;
  const { file, preset, settings, listeners, plugins, policies, unknown_policies } = data.value;
  if (!data.value.is_configured) return html`<${Heading}>WS-Management<//><p>The WS-Management service of this machine has no configuration. The command <code>winrm quickconfig</code> sets it up.</p>`;
  writes.value = `Configuration: ${file}`;
  const text = filter.toLowerCase();
  const found = settings.filter((one) => (!isChangedOnly || one.source !== "default") && one.name.toLowerCase().includes(text));
  return html`
    <${Heading} detail=${html`<code>${file}</code>, preset ${preset}; read only here, winrm set changes it`}>WS-Management<//>
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
    ]} />
    <h2>Settings</h2>
    <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    <label class="check"><input type="checkbox" checked=${isChangedOnly} onChange=${(event) => setChangedOnly(event.target.checked)} />Only settings without the default</label>
    <${Settings} caption="Settings" settings=${found.filter((one) => !isQuota(one))} />
    <h2>Quotas and timeouts</h2>
    <${Settings} caption="Quotas and timeouts" settings=${found.filter(isQuota)} />
    <h2>Plug-ins</h2>
    <${Table} caption="Plug-ins" rows=${plugins} columns=${[
      ["Plug-in", (one) => one.name],
      ["State", (one) => html`<span class=${one.is_enabled ? "badge ok" : "badge"}>${one.is_enabled ? "enabled" : "disabled"}</span>`],
      ["Resources", (one) => one.resources.map((uri) => html`<code class="line">${uri}</code>`)],
      ["Access", (one) => one.security.map((entry) => html`<code class="line">${entry.sddl}</code>`)],
    ]} />
    <h2>Policies</h2>
    <${Table} caption="Policies" rows=${[...policies, ...unknown_policies]} empty="No policy is set." columns=${[
      ["Setting or policy", (one) => html`<code>${one.name}</code>`],
      ["Value", (one) => one.value ?? "unknown policy"],
      ["Origin", (one) => html`<code>${one.origin}</code>`],
    ]} />`;
}
