// Certificates of the web server: those that sites use, and those that are stored for them.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { Proposal, confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Heading, Link, Problem, Table, Waiting, go, html, time, useData } from "./router.js";
import { actions, dialog, hasRole, notice } from "./state.js";

/** Returns the whole days until a certificate expires, negative if it has expired. */
export const daysLeft = ({ not_after }) => Math.floor((not_after * 1000 - Date.now()) / 86400000);

/** Returns the end of the validity, with a warning within 30 days. */
function expiry(certificate) {
  if (!certificate) return "";
  const days = daysLeft(certificate);
  const kind = days < 0 ? "error" : days < 30 ? "warn" : "ok";
  return html`<span class=${`badge ${kind}`}>${days < 0 ? "expired" : `${days} days`}</span> <span class="quiet">${time(new Date(certificate.not_after * 1000).toISOString())}</span>`;
}

const baseName = (path) => path.slice(path.lastIndexOf("/") + 1);

const columns = [
  ["Names", ({ content }) => (content?.Ok ? content.Ok.names.join(", ") || content.Ok.subject : content?.Err ?? "")],
  ["Issuer", ({ content }) => content?.Ok?.issuer ?? ""],
  ["Expires", ({ content }) => expiry(content?.Ok)],
];

export function Certificates() {
  const { data, error, reload } = useData(() => get("/web/certificates"));
  const folder = data?.value.folder;
  useEffect(() => {
    if (folder && hasRole("administrator")) actions.value = [{ label: "Add certificate", kind: "primary", run: () => go("/web/new-certificate") }];
  }, [folder]);
  if (!data) return html`<${Heading}>Certificates<//><${Waiting} error=${error} />`;
  const { certificates, stored } = data.value;
  const remove = ({ name }) => confirm(`Delete the certificate ${name}?`, "Its private key is deleted, too, and cannot be restored.", "Delete", async () => {
    await change("DELETE", `/web/certificates/${encodeURIComponent(name)}`);
    notice.value = { kind: "ok", text: `The certificate ${name} was deleted.` };
    reload();
  });
  return html`
    <${Heading} detail="Certificates that sites use, and those that are stored for them">Certificates<//>
    <${Problem} error=${error} />
    <h2>Used by sites</h2>
    <${Table} caption="Used certificates" rows=${certificates} empty="No site uses a certificate." columns=${[
      ["Sites", ({ sites }) => sites.map((id) => html`<${Link} to=${`/web/sites/${encodeURIComponent(id)}/ssl`}>${id}<//> `)],
      ...columns,
      ["File", ({ path }) => html`<code class="break">${path}</code>`],
    ]} />
    <h2>Stored</h2>
    ${folder ? html`<p class="quiet">In <code>${folder}</code>. A site uses a certificate when its TLS settings name both files.</p>
    <${Table} caption="Stored certificates" rows=${stored} empty="No certificate is stored." columns=${[
      ["Name", ({ name }) => html`<strong>${name}</strong>`],
      ...columns,
      ["Files", (one) => html`${one.certificate ? html`<code class="line">${baseName(one.certificate)}</code>` : html`<details><summary>Request to an authority</summary><pre tabindex="0" class="break" role="region" aria-label="Certificate request">${one.request}</pre></details>`}<code class="line">${baseName(one.key)}</code>`],
      ["", (one) => hasRole("administrator") && html`<span class="buttons">${!one.certificate && html`<button aria-label=${`Complete ${one.name}`} onClick=${() => go(`/web/new-certificate/${encodeURIComponent(one.name)}`)}>Complete…</button>`} <button class="danger" aria-label=${`Delete ${one.name}`} onClick=${() => remove(one)}>Delete…</button></span>`],
    ]} />` : html`<p>This web server has no directory for certificates: Caddy requests them itself.</p>`}`;
}

/** Returns the content of a file in Base64. */
const base64 = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
  reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
  reader.readAsDataURL(file);
});

const kinds = {
  "self-signed": "Self-signed certificate, for tests",
  request: "Request to a certification authority",
  pem: "Import of a certificate and its key in PEM",
  pfx: "Import of a PKCS#12 file (.pfx, .p12)",
};

const keyTypes = { "ecdsa-p256": "ECDSA P-256 (recommended)", "ecdsa-p384": "ECDSA P-384", "rsa-2048": "RSA 2048, for old clients", "rsa-4096": "RSA 4096" };

/** Shows a certificate before it is stored, and stores it when the user confirms. */
function Preview({ planned, body }) {
  const apply = async () => {
    await change("POST", "/web/certificates", { body });
    dialog.value = null;
    // A new page begins without a notice.
    go("/web/certificates");
    notice.value = { kind: "ok", text: `The certificate ${body.name} was ${body.kind === "request" ? "requested: send the request to the authority" : "stored"}.` };
  };
  const { certificate, key, request, content } = planned;
  const facts = content?.Ok;
  const files = [certificate, request && key.replace(/\.key$/, ".csr"), body.kind === "pem" && body.key === null ? null : key].filter(Boolean);
  return html`<${Proposal} title=${`Store the certificate ${body.name}?`} label="Store" busyLabel="Storing…" hasHistory=${false} apply=${apply}>
    <dl>
      ${facts
        ? html`<dt>Names</dt><dd class="break">${facts.names.join(", ") || facts.subject}</dd><dt>Issuer</dt><dd class="break">${facts.issuer}</dd><dt>Expires</dt><dd>${expiry(facts)}</dd>`
        : html`<dt>Names</dt><dd class="break">${(body.names ?? []).join(", ")}</dd>`}
      <dt>New files</dt><dd>${files.map((file) => html`<code class="line break">${file}</code>`)}</dd>
    </dl>
    ${content?.Err && html`<p class="warning">${content.Err}</p>`}
    ${facts && daysLeft(facts) < 0 && html`<p class="warning">The certificate has expired.</p>`}
  <//>`;
}

/** Form for a new certificate, or with `name` for the certificate that an authority has issued for a request. */
export function NewCertificate({ name }) {
  const [kind, setKind] = useState(name ? "pem" : "self-signed");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const names = () => form.get("names").split(/[\s,]+/).filter(Boolean);
    setBusy(true);
    setError(null);
    try {
      const parts = {
        "self-signed": async () => ({ names: names(), days: Number(form.get("days")), key_type: form.get("key_type") }),
        request: async () => ({ names: names(), key_type: form.get("key_type") }),
        pem: async () => ({ certificate: form.get("certificate"), key: name ? null : form.get("key") }),
        pfx: async () => ({ data: await base64(form.get("file")), password: form.get("password") }),
      };
      const body = { kind, name: name ?? form.get("name").trim(), ...(await parts[kind]()) };
      const { value: planned } = await change("POST", "/web/certificates", { body, query: { dry_run: true } });
      dialog.value = html`<${Preview} planned=${planned} body=${body} />`;
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const area = (id, label, about) => html`<div class="field"><label for=${id}>${label}</label><textarea id=${id} name=${id} rows="6" required spellcheck="false" aria-describedby=${`${id}-about`}></textarea><small id=${`${id}-about`}>${about}</small></div>`;
  return html`
    <p class="links"><${Link} to="/web/certificates">Certificates<//></p>
    <${Heading} detail=${name ? "The certificate that the authority has issued for the request." : "Private keys stay in files that only the user of the service can read."}>${name ? `Complete the certificate ${name}` : "Add certificate"}<//>
    <form onSubmit=${submit}>
      ${!name && html`
        <label>Kind<select value=${kind} onChange=${(event) => setKind(event.target.value)}>${Object.entries(kinds).map(([value, label]) => html`<option value=${value} selected=${value === kind}>${label}</option>`)}</select></label>
        <div class="field"><label for="name">Name</label><input id="name" name="name" required maxlength="64" spellcheck="false" autocomplete="off" aria-describedby="name-about" /><small id="name-about">Letters, digits, hyphens, underscores and dots; also the name of the files</small></div>`}
      ${(kind === "self-signed" || kind === "request") && html`<div class="field"><label for="names">Host names and addresses</label><input id="names" name="names" required spellcheck="false" autocomplete="off" placeholder="shop.example, www.shop.example" aria-describedby="names-about" /><small id="names-about">Separated by commas or blanks</small></div>`}
      ${(kind === "self-signed" || kind === "request") && html`<label>Key<select name="key_type">${Object.entries(keyTypes).map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select></label>`}
      ${kind === "self-signed" && html`<label>Days of validity<input name="days" type="number" min="1" max="3650" value="397" required /></label>`}
      ${kind === "pem" && area("certificate", "Certificate", "The certificate of the site first, then those of the authorities, each from BEGIN CERTIFICATE to END CERTIFICATE")}
      ${kind === "pem" && !name && area("key", "Private key", "Without a password, from BEGIN PRIVATE KEY to END PRIVATE KEY")}
      ${kind === "pfx" && html`<label>File<input name="file" type="file" accept=".pfx,.p12" required /></label><label>Password of the file<input name="password" type="password" autocomplete="off" /></label>`}
      <${Problem} error=${error} />
      <p class="buttons"><button class="primary" disabled=${isBusy}>${isBusy ? "Checking…" : "Preview"}</button> <button type="button" onClick=${() => go("/web/certificates")}>Cancel</button></p>
    </form>`;
}
