// The WS-Management service of another machine: settings, listeners and shells.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Head } from "./remote.js";
import { Problem, Table, Waiting, html, useData } from "./router.js";
import { actions, notice } from "./state.js";
import { ListenerButtons, MappingButton, SettingButton, addListener, addMapping } from "./wsman-changes.js";

/** A part of the service's configuration, or the reason why the user cannot read it. */
function Part({ title, part, children }) {
  return html`<h2>${title}</h2>${part.value ? children(part.value) : html`<p class="warning">Not readable: ${part.reason}</p>`}`;
}

const text = (value) => (value === null || value === undefined ? "" : Array.isArray(value) ? value.map(text).join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));

/** Returns a listener of the service with the names of the API. */
const described = (one) => ({
  address: text(one.Address),
  transport: text(one.Transport),
  port: Number(one.Port),
  hostname: text(one.Hostname),
  url_prefix: text(one.URLPrefix),
  certificate_thumbprint: text(one.CertificateThumbprint),
  is_enabled: text(one.Enabled) === "true",
});

function WsManParts({ machine }) {
  const resource = `/machines/${machine.id}/wsman`;
  const { data, error, reload } = useData(() => get(resource), [resource]);
  const [filter, setFilter] = useState("");
  const canRead = Boolean(data?.value.listeners.value);
  useEffect(() => {
    if (canRead) actions.value = [{ label: "Add listener", kind: "primary", run: () => addListener(resource, reload) }];
  }, [canRead, resource]);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { config, listeners, shells, certificate_mappings: mappings } = data.value;
  const end = (shell) => confirm(`End the shell of ${text(shell.Owner)}?`, `Its processes are ended at once, and unsaved data is lost. Shell: ${text(shell.ShellId)}`, "End shell", async () => {
    await change("DELETE", `${resource}/shells/${encodeURIComponent(text(shell.ShellId))}`);
    await reload();
    notice.value = { kind: "ok", text: `The shell of ${text(shell.Owner)} has ended.` };
  });
  return html`
    <${Problem} error=${error} />
    <${Part} title="Listeners" part=${listeners}>${(rows) => html`<${Table} caption="Listeners" rows=${rows} empty="There is no listener." columns=${[
      ["Address", (one) => text(one.Address)],
      ["Transport", (one) => text(one.Transport)],
      ["Port", (one) => text(one.Port), true],
      ["Listening on", (one) => text(one.ListeningOn)],
      ["Certificate", (one) => html`<code class="break">${text(one.CertificateThumbprint)}</code>`],
      ["State", (one) => html`<span class=${one.Enabled === "true" ? "badge ok" : "badge"}>${one.Enabled === "true" ? "enabled" : "disabled"}</span>`],
      ["", (one) => html`<${ListenerButtons} resource=${resource} listener=${described(one)} reload=${reload} />`],
    ]} />`}<//>
    <${Part} title="Open shells" part=${shells}>${(rows) => html`<${Table} caption="Open shells" rows=${rows} empty="No shell is open." columns=${[
      ["Owner", (one) => text(one.Owner)],
      ["Client", (one) => text(one.ClientIP)],
      ["Name", (one) => text(one.Name)],
      ["State", (one) => text(one.State)],
      ["Open for", (one) => text(one.ShellRunTime)],
      ["Idle for", (one) => text(one.ShellInactivity)],
      ["Shell", (one) => html`<code title=${text(one.ShellId)}>${text(one.ShellId).slice(0, 8)}…</code>`],
      ["", (one) => html`<button class="danger" onClick=${() => end(one)} aria-label=${`End shell ${text(one.ShellId).slice(0, 8)} of ${text(one.Owner)}`}>End…</button>`],
    ]} />`}<//>
    <${Part} title="Certificate mappings" part=${mappings}>${(rows) => html`<${Table} caption="Certificate mappings" rows=${rows} empty="No client certificate is mapped to an account." columns=${[
      ["Subject", (one) => html`<span class="break">${text(one.Subject)}</span>`],
      ["Issuer", (one) => html`<code class="break">${text(one.Issuer)}</code>`],
      ["URI", (one) => html`<code class="break">${text(one.URI)}</code>`],
      ["User", (one) => text(one.UserName)],
      ["State", (one) => html`<span class=${one.Enabled === "true" ? "badge ok" : "badge"}>${one.Enabled === "true" ? "enabled" : "disabled"}</span>`],
      ["", (one) => html`<${MappingButton} resource=${resource} mapping=${{ issuer: text(one.Issuer), subject: text(one.Subject), uri: text(one.URI), user: text(one.UserName) }} reload=${reload} />`],
    ]} />
    <p><button onClick=${() => addMapping(resource, reload)}>Add mapping…</button></p>`}<//>
    <${Part} title="Settings" part=${config}>${(rows) => html`
      <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      <${Table} caption="Settings" rows=${rows.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()))} empty="No setting matches." columns=${[
        ["Setting", (one) => html`<code>${one.name}</code>`],
        ["Value", (one) => html`<span class="break">${one.value || "–"}</span>`],
        ["Source", (one) => (one.is_policy ? html`<span class="badge warn">policy</span>` : "")],
        ["", (one) => html`<${SettingButton} resource=${resource} setting=${one} reload=${reload} />`],
      ]} />`}<//>`;
}

export function RemoteWsMan({ machine }) {
  return html`<${Head} machine=${machine} title="WS-Management" /><${WsManParts} machine=${machine} />`;
}
