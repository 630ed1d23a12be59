// Settings of the management service: in force, staged, and applied until they are confirmed.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "./api.js";
import { confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Form, atField } from "./form.js";
import { Heading, Problem, Table, Waiting, html, time, useData } from "./router.js";
import { actions, notice, unsaved } from "./state.js";
import { check, number, object, text } from "./values.js";

const staged = "/management/service/staged";

/** Fields of the settings, by the names of the registry. */
const fields = [
  ["EnableRemoteManagement", check("Accept connections of other machines")],
  ["IPAddress", text("IP address", { required: true, help: "* for all addresses of the machine." })],
  ["Port", number("Port", { required: true, min: 1, max: 65535 })],
  ["SslCertificateHash", text("SSL certificate hash", { help: "SHA-1 hash of a certificate in the directory of certificates; empty for the self-signed one." })],
  ["RequiresWindowsCredentials", check("Accounts of the operating system only", { help: "Manager users cannot sign in then." })],
  ["EnableLogging", check("Log requests")],
  ["LoggingDirectory", text("Directory of the request log", { help: "Empty for the default directory." })],
  ["RemoteRestrictions", text("Address rules", { required: true, placeholder: "deny, allow 10.0.0.0/8", help: "Treatment of other clients, then the rules. The first rule that contains an address decides." })],
  ["AdministratorGroups", text("Groups of administrators", { help: "Groups of the operating system, with commas." })],
  ["AllowRemoteServiceConfiguration", check("Settings can be staged from other machines")],
  ["NginxDirectory", text("Directory of nginx", { help: "Empty for /etc/nginx. Read only when the service itself starts." })],
  ["ConfigurationRoots", text("Directories of configuration files", { help: "With commas; empty for the directory of nginx. Read only when the service itself starts." })],
  ["ContentRoots", text("Directories for deployments", { help: "With commas; empty for no deployments." })],
  ["EnableTerminals", check("Terminals", { help: "Accounts with the permission terminal can open a shell." })],
  ["TerminalIdleSeconds", number("Seconds without input after which a terminal ends", { min: 10, max: 900, required: true })],
];
const names = fields.map(([name]) => name);
const label = (name) => fields.find(([known]) => known === name)?.[1].label ?? name;

/** Returns the names of settings with different values. */
const differences = (one, other) => Object.keys(one).filter((name) => one[name] !== other[name]);

/** Returns a value of a setting as text. */
const shown = (value) => (value === "" ? "–" : String(value));

/** Returns the address of this page with the staged settings, or null if it stays the same. */
function addressWith({ in_force: old, staged: next }) {
  if (!next || !differences(old, next).some((name) => ["IPAddress", "Port", "EnableRemoteManagement"].includes(name))) return null;
  const isOne = next.IPAddress !== "*" && next.IPAddress !== old.IPAddress;
  const host = !isOne ? location.hostname : next.IPAddress.includes(":") ? `[${next.IPAddress}]` : next.IPAddress;
  const url = `https://${host}:${next.Port}/management/service`;
  return new URL(url).origin === location.origin ? null : `${url}#session`;
}

/** Settings that are in force until a time, and their confirmation. */
function Confirmation({ seconds, reload }) {
  const [failure, setFailure] = useState(null);
  const keep = async () => {
    try {
      setFailure(null);
      await send("POST", "/management/service/actions/confirm");
      notice.value = { kind: "ok", text: "The settings are stored." };
    } catch (problem) {
      setFailure(problem);
    }
    await reload();
  };
  return html`<section class="warning" aria-label="Confirmation">
    <p role="alert">The new settings are in force. Confirm them, or the old settings return.</p>
    <p><span role="timer">${seconds} seconds left</span></p>
    <${Problem} error=${failure} />
    <p class="buttons"><button class="primary" onClick=${keep}>Keep the new settings</button></p>
  </section>`;
}

/** Form for the settings, which are staged. */
function Editor({ state, done }) {
  const submit = async (value) => {
    // An empty text is null in a form.
    const next = Object.fromEntries(names.map((name) => [name, value[name] ?? ""]));
    const changed = differences(next, state.in_force);
    if (!changed.length) throw new Error("These are the settings in force. Change a value, or discard the staged settings.");
    const settings = Object.fromEntries(changed.map((name) => [name, next[name]]));
    try {
      await change("PUT", staged, { body: { settings } });
    } catch (failure) {
      throw atField(failure, names);
    }
    unsaved.value = false;
    await done();
    notice.value = { kind: "ok", text: "The settings are staged. Apply them to put them in force." };
  };
  return html`<h2>Change settings</h2>
    <${Form} field=${object(...fields)} value=${state.staged ?? state.in_force} label="Stage settings" submit=${submit} cancel=${done} />`;
}

function Settings({ state }) {
  const next = state.staged;
  const changed = next ? differences(next, state.in_force) : [];
  return html`<${Table} caption="Settings" rows=${[...new Set([...names, ...Object.keys(state.in_force)])]} columns=${[
    ["Setting", (name) => html`<span>${label(name)} <code class="line quiet">${name}</code></span>`],
    ["In force", (name) => html`<span class="break">${shown(state.in_force[name])}</span>`],
    ...(next ? [["Staged", (name) => changed.includes(name) && html`<strong class="break">${shown(next[name])}</strong>`]] : []),
  ]} />`;
}

/** Facts about the running service. */
function Facts({ service }) {
  const { certificate_sha256, log_directory, remote_restrictions_registry } = service;
  return html`<dl>
    <dt>Certificate (SHA-256)</dt><dd><code class="break">${certificate_sha256}</code></dd>
    <dt>Request log</dt><dd><code>${log_directory ?? "off"}</code></dd>
    <dt>RemoteRestrictions as registry value</dt><dd><code class="break">${remote_restrictions_registry ?? "not possible with IPv6 rules"}</code></dd>
  </dl>`;
}

/** Loads the state of the service, and the staged settings: null if this service cannot stage any. */
async function load() {
  const service = (await get("/management/service")).value;
  return { service, state: service.can_be_staged ? (await get(staged)).value : null };
}

export function Service() {
  const [isEditing, setEditing] = useState(false);
  // While staged settings are being applied: the data before, and the URL of a new address or null. Null otherwise.
  const [applying, setApplying] = useState(null);
  const [every, setEvery] = useState(0);
  const { data, error, reload } = useData(load, [every], every);
  const state = data?.state;
  const isApplying = applying !== null;
  const isUnconfirmed = Boolean(state) && state.confirm_within_seconds !== null;
  useEffect(() => {
    // The service has answered after its new start.
    if (isApplying && data !== applying.before && (isUnconfirmed || state?.last_failure)) setApplying(null);
    setEvery(isApplying || isUnconfirmed ? 1000 : 0);
  }, [data, isApplying]);
  const apply = () => {
    const url = addressWith(state);
    confirm("Apply the staged settings?", `The service starts again, and sessions go on. Confirm the settings within 60 seconds; otherwise the old ones return.${url ? " The address of the console changes; this page then shows a link to it." : ""}`,
      "Apply and restart", async () => {
        await change("POST", "/management/service/actions/apply");
        notice.value = null;
        setApplying({ before: data, url });
      });
  };
  const discard = () => confirm("Discard the staged settings?", "The settings in force do not change.", "Discard", async () => {
    await change("DELETE", staged);
    await reload();
    notice.value = { kind: "ok", text: "The staged settings are discarded." };
  });
  useEffect(() => {
    const isIdle = state && !isApplying && !isUnconfirmed && !isEditing;
    actions.value = isIdle
      ? [
          { label: state.staged ? "Change staged settings" : "Change settings", kind: state.staged ? "" : "primary", run: () => setEditing(true) },
          ...(state.staged ? [{ label: "Apply and restart", kind: "primary", run: apply }, { label: "Discard staged settings", kind: "danger", run: discard }] : []),
        ]
      : [];
  }, [data, isApplying, isEditing]);
  const heading = html`<${Heading} detail=${data && `${data.service.state} since ${time(data.service.started)}`}>Management Service<//>`;
  if (!data) return html`${heading}<${Waiting} error=${error} />`;
  if (!state) {
    return html`${heading}
      <p class="warning">This service cannot start again by itself, so its settings are read only here. On the server, use <code>telarch mgmt set NAME=VALUE</code> and start it again.</p>
      <${Settings} state=${{ in_force: data.service.settings, staged: null }} />
      <${Facts} service=${data.service} />`;
  }
  return html`${heading}
    ${isApplying && html`<section class="warning" aria-label="New start">
      <p role="status">The service starts again with the staged settings.</p>
      ${applying.url && html`<p>Continue within 60 seconds at <a href=${applying.url}>${applying.url.replace("#session", "")}</a>, and confirm the settings there. The browser may ask about the certificate again.</p>`}
    </section>`}
    ${isUnconfirmed && html`<${Confirmation} seconds=${state.confirm_within_seconds} reload=${reload} />`}
    ${!isApplying && html`<${Problem} error=${error} />`}
    ${!isApplying && state.last_failure && html`<div class="problem" role="alert"><p>The old settings are in force again: ${state.last_failure}</p></div>`}
    ${state.staged && !isApplying && !isUnconfirmed && !isEditing && html`<p class="warning">Settings are staged. They are in force only after “Apply and restart”.</p>`}
    ${isEditing
      ? html`<${Editor} state=${state} done=${async () => {
          await reload();
          setEditing(false);
        }} />`
      : html`<${Settings} state=${isUnconfirmed ? { ...state, staged: null } : state} /><${Facts} service=${data.service} />`}`;
}
