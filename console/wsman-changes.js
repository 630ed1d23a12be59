// Changes of the settings, listeners and certificate mappings of a WS-Management service, of this machine or another one, with a preview.
import { Diff, Proposal } from "./changes.js";
import { change } from "./elevation.js";
import { Form } from "./form.js";
import { Table, html } from "./router.js";
import { dialog, notice, unsaved } from "./state.js";
import { check, choice, number, object, text } from "./values.js";

const close = () => (dialog.value = null);

/** Returns a value for people. */
const shown = (value) => html`<span class="break">${value === null || value === "" ? "–" : value}</span>`;

/** Shows the values and the file that a change sets, and makes the change when the user confirms. */
function Preview({ title, warning, request, plan, reload }) {
  const { values, diffs } = plan;
  const apply = async () => {
    await change("POST", request.resource, { body: request.body });
    await reload();
    close();
    notice.value = { kind: "ok", text: "The WS-Management service uses the new configuration." };
  };
  return html`<${Proposal} title=${title} label="Apply" busyLabel="Applying…" hasHistory=${false} apply=${apply}>
    <${Table} caption="Values" rows=${values} empty="This changes no value." columns=${[
      ["Name", (one) => html`<code class="break">${one.name}</code>`],
      ["Now", (one) => shown(one.before)],
      ["New", (one) => html`<strong>${shown(one.after)}</strong>`],
    ]} />
    <${Diff} diffs=${diffs} />
    ${warning && html`<p class="warning">${warning}</p>`}
  <//>`;
}

/** Asks the service for the effect of a change, and shows it. */
async function preview({ title, warning, resource, body, reload }) {
  const request = { resource: `${resource}/changes`, body };
  const { value: plan } = await change("POST", request.resource, { body, query: { dry_run: true } });
  unsaved.value = false;
  dialog.value = html`<${Preview} title=${title} warning=${warning} request=${request} plan=${plan} reload=${reload} />`;
}

/** Shows a form in a dialog, whose value becomes a change. */
function ask({ title, about, field, value, submit }) {
  dialog.value = html`<div><h2 id="dialog-title">${title}</h2>${about && html`<p class="quiet">${about}</p>`}
    <${Form} field=${field} value=${value} label="Preview" submit=${submit} cancel=${close} /></div>`;
}

const isTruth = (value) => /^(true|false)$/i.test(value);

/** Asks for the new value of a setting. `resource` is the path of the service in the API. */
export function changeSetting(resource, { name, value, about }, reload) {
  const field = object(["value", isTruth(value) ? choice("Value", [["true", "true"], ["false", "false"]]) : text("Value", { placeholder: value })]);
  const submit = ({ value: next }) => preview({
    title: `Change ${name}`,
    warning: /^Service\//.test(name) && "If the new value does not admit this user or this console, the service can be reached only on the machine itself.",
    resource,
    body: { change: "set", settings: { [name]: next ?? "" } },
    reload,
  });
  ask({ title: `Change ${name}`, about, field, value: { value: isTruth(value) ? value.toLowerCase() : value }, submit });
}

const values = [
  ["port", number("Port", { min: 1, max: 65535 })],
  ["hostname", text("Host name", { help: "The certificate of an HTTPS listener must contain it." })],
  ["url_prefix", text("URL prefix", { placeholder: "wsman" })],
  ["certificate_thumbprint", text("Certificate thumbprint", { help: "SHA-1 hash of the certificate of an HTTPS listener; empty for the certificate of the service." })],
  ["is_enabled", check("Enabled")],
];
const newListener = object(
  ["address", text("Address", { required: true, help: "* for all addresses, or IP: and an address of the machine." })],
  ["transport", choice("Transport", [["HTTPS", "HTTPS"], ["HTTP", "HTTP"]])],
  ...values,
);

/** Asks for the values of a new listener. */
export function addListener(resource, reload) {
  const submit = ({ address, transport, ...given }) => preview({
    title: `Add the listener ${address} ${transport}`,
    resource,
    body: { change: "create-listener", address, transport, values: given },
    reload,
  });
  ask({ title: "Add a listener", about: "Without a port, the listener has the default port of its transport.", field: newListener, value: { address: "*", transport: "HTTPS", is_enabled: true }, submit });
}

const lastListener = "The connections over this listener end. If it is the only one, other machines cannot reach the service any more.";

/** Asks for new values of a listener. */
export function changeListener(resource, listener, reload) {
  const { address, transport } = listener;
  const submit = (next) => {
    // Only what differs, so that the service keeps the rest as it is. An empty text is null in a form.
    const given = Object.fromEntries(values.map(([name]) => [name, next[name] ?? ""]).filter(([name, value]) => value !== (listener[name] ?? "")));
    if (!Object.keys(given).length) throw new Error("These are the values of the listener. Change one, or cancel.");
    if (given.port === "") throw new Error("Enter a port.");
    return preview({ title: `Change the listener ${address} ${transport}`, warning: lastListener, resource, body: { change: "change-listener", address, transport, values: given }, reload });
  };
  ask({ title: `Change the listener ${address} ${transport}`, field: object(...values), value: listener, submit });
}

/** Shows what the deletion of a listener removes. */
export async function removeListener(resource, { address, transport }, reload) {
  try {
    await preview({ title: `Delete the listener ${address} ${transport}`, warning: lastListener, resource, body: { change: "delete-listener", address, transport }, reload });
  } catch (failure) {
    notice.value = { kind: "error", text: failure.message };
  }
}

/** Buttons of a listener that the administrator of the machine has created. */
export function ListenerButtons({ resource, listener, reload }) {
  const name = `${listener.address} ${listener.transport}`;
  return html`<span class="buttons">
    <button aria-label=${`Change the listener ${name}`} onClick=${() => changeListener(resource, listener, reload)}>Change…</button>
    <button class="danger" aria-label=${`Delete the listener ${name}`} onClick=${() => removeListener(resource, listener, reload)}>Delete…</button>
  </span>`;
}

const newMapping = object(
  ["issuer", text("Thumbprint of the issuer", { required: true, help: "SHA-1 hash of the authority's certificate, or of a self-signed one." })],
  ["subject", text("Subject", { required: true, placeholder: "*@corp.example", help: "Name in the certificate; * stands for any text, and * alone for every certificate of the issuer." })],
  ["uri", text("Resource URI", { required: true, help: "Resources that the mapping admits; * for all." })],
  ["user", text("User", { required: true })],
  ["password", text("Password", { required: true, isSecret: true, help: "The service verifies it, and stores what it needs for sign-ins by certificate." })],
);

/** Asks for a new mapping of client certificates to an account. */
export function addMapping(resource, reload) {
  const submit = (given) => preview({
    title: `Map certificates of ${given.subject} to ${given.user}`,
    resource,
    body: { change: "create-mapping", ...given },
    reload,
  });
  ask({ title: "Map client certificates to an account", field: newMapping, value: { subject: "*", uri: "*" }, submit });
}

/** Button that deletes a mapping of client certificates. */
export function MappingButton({ resource, mapping: { issuer, subject, uri, user }, reload }) {
  const title = `Delete the mapping of ${subject} to ${user}`;
  const run = async () => {
    try {
      await preview({ title, warning: "These certificates do not sign in any more.", resource, body: { change: "delete-mapping", issuer, subject, uri }, reload });
    } catch (failure) {
      notice.value = { kind: "error", text: failure.message };
    }
  };
  return html`<button class="danger" aria-label=${title} onClick=${run}>Delete…</button>`;
}

/** Button that changes a setting, if the service lets clients change it. */
export function SettingButton({ resource, setting, reload }) {
  if (!setting.is_writable) return null;
  return html`<button aria-label=${`Change ${setting.name}`} onClick=${() => changeSetting(resource, setting, reload)}>Change…</button>`;
}
