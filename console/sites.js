// Sites, their bindings and their features.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "./api.js";
import { preview } from "./changes.js";
import { Heading, Link, Problem, Table, Waiting, go, html, useData } from "./router.js";
import { actions, hasRole, notice, writes } from "./state.js";

const siteUrl = (id) => `/web/sites/${encodeURIComponent(id)}`;

/** The first host name of a site, or its identifier. */
const label = (site) => site.names[0] ?? site.id;

function listenerText({ address, tls, http2, default_site }) {
  return [address, tls && "TLS", http2 && "HTTP/2", default_site && "default"].filter(Boolean).join(" ");
}

/** Parses a line such as `443 TLS HTTP/2`. */
function listener(line) {
  const [address, ...options] = line.trim().split(/\s+/);
  const has = (name) => options.some((option) => option.toLowerCase() === name);
  return { address, tls: has("tls"), http2: has("http/2"), default_site: has("default") };
}

const linesOf = (text) => String(text ?? "").split("\n").map((line) => line.trim()).filter(Boolean);

export function Sites() {
  const { data, error } = useData(() => get("/web/sites"));
  const [filter, setFilter] = useState("");
  useEffect(() => {
    if (hasRole("administrator")) actions.value = [{ label: "Add site", kind: "primary", run: () => go("/web/new-site") }];
  }, []);
  if (!data) return html`<${Heading}>Sites<//><${Waiting} error=${error} />`;
  const { sites } = data.value;
  const shown = sites.filter((site) => [site.id, ...site.names].join(" ").includes(filter));
  return html`
    <${Heading} detail=${`${sites.length} sites`}>Sites<//>
    <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    <${Table} caption="Sites" rows=${shown} empty="There is no site here." columns=${[
      ["Site", (site) => html`<${Link} to=${siteUrl(site.id)}>${label(site)}<//>`],
      ["State", (site) => html`<span class=${site.state === "started" ? "badge ok" : "badge"}>${site.state}</span>`],
      ["Other names", (site) => site.names.slice(1).join(", ")],
      ["Bindings", (site) => site.listeners.map(listenerText).join(", ")],
      ["Folder", (site) => html`<code>${site.root ?? "–"}</code>`],
      ["Identifier", (site) => html`<code>${site.id}</code>`],
    ]} />`;
}

export function NewSite() {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setError(null);
    const form = new FormData(event.target);
    const body = {
      id: form.get("id"),
      listeners: linesOf(form.get("listeners")).map(listener),
      names: linesOf(form.get("names")),
      root: form.get("root"),
      certificate: form.get("certificate") || null,
      key: form.get("key") || null,
    };
    try {
      const { tag } = await get("/web/sites");
      await preview(`Create the site ${body.id}`, { method: "POST", resource: "/web/sites", body, tag }, () => go(siteUrl(body.id)));
    } catch (failure) {
      setError(failure);
    }
  };
  return html`
    <${Heading} detail="The next step shows the new file before anything is written.">Add site<//>
    <form class="grid" onSubmit=${submit}>
      <label>Name of the site<input name="id" required pattern="[A-Za-z0-9._\\-]{1,64}" /><small>Letters, digits, hyphens, dots; also the name of the file</small></label>
      <label>Bindings<textarea name="listeners" rows="2" required>80</textarea><small>One per line: a port or address, then TLS, HTTP/2, default</small></label>
      <label>Host names<textarea name="names" rows="2"></textarea><small>One per line; none for any host</small></label>
      <label>Folder<input name="root" required placeholder="/var/www/site" /></label>
      <label>Certificate<input name="certificate" placeholder="/etc/ssl/site.pem" /><small>Only with TLS</small></label>
      <label>Private key<input name="key" placeholder="/etc/ssl/private/site.pem" /></label>
      <${Problem} error=${error} />
      <p class="buttons"><button class="primary">Preview</button> <button type="button" onClick=${() => go("/web/sites")}>Cancel</button></p>
    </form>`;
}

export function Site({ id }) {
  const { data, error, reload } = useData(() => get(siteUrl(id)));
  const features = useData(() => get(`${siteUrl(id)}/features`));
  const [failure, setFailure] = useState(null);
  const site = data?.value;
  useEffect(() => {
    if (!site) return;
    writes.value = `Writes to ${site.position.file}:${site.position.line}, applies by reload`;
    if (!hasRole("administrator")) return;
    const change = (title, method, body, done) => async () => {
      try {
        setFailure(null);
        await preview(title, { method, resource: siteUrl(id), body, tag: data.tag }, done);
      } catch (problem) {
        setFailure(problem);
      }
    };
    const isStarted = site.state === "started";
    actions.value = [
      { label: isStarted ? "Stop site" : "Start site", run: change(`${isStarted ? "Stop" : "Start"} ${label(site)}`, "PATCH", { state: isStarted ? "stopped" : "started" }, reload) },
      { label: "Delete site", kind: "danger", run: change(`Delete ${label(site)}`, "DELETE", undefined, () => go("/web/sites")) },
    ];
  }, [data]);
  if (!site) return html`<${Waiting} error=${error} />`;
  const submit = async (event) => {
    event.preventDefault();
    setFailure(null);
    const form = new FormData(event.target);
    const body = { listeners: linesOf(form.get("listeners")).map(listener), names: linesOf(form.get("names")) };
    if (form.get("root") && form.get("root") !== site.root) body.root = form.get("root");
    try {
      await preview(`Change ${label(site)}`, { method: "PATCH", resource: siteUrl(id), body, tag: data.tag }, reload);
    } catch (problem) {
      setFailure(problem);
    }
  };
  const isAdministrator = hasRole("administrator");
  return html`
    <${Heading} detail=${html`<code>${id}</code> in <code>${site.position.file}:${site.position.line}</code>`}>${label(site)}<//>
    <p><span class=${site.state === "started" ? "badge ok" : "badge"}>${site.state}</span></p>
    <${Problem} error=${failure} />
    ${site.unsupported.length > 0 && html`<p class="warning">Only the file itself can change: ${site.unsupported.join(", ")}</p>`}
    <form class="grid" onSubmit=${submit}>
      <label>Bindings<textarea name="listeners" rows="3" readonly=${!isAdministrator}>${site.listeners.map(listenerText).join("\n")}</textarea></label>
      <label>Host names<textarea name="names" rows="3" readonly=${!isAdministrator}>${site.names.join("\n")}</textarea></label>
      <label>Folder<input name="root" value=${site.root ?? ""} readonly=${!isAdministrator} /></label>
      ${isAdministrator && html`<p class="buttons"><button class="primary">Preview changes</button></p>`}
    </form>
    <h2>Features</h2>
    <${Problem} error=${features.error} />
    <ul class="features">
      ${(features.data?.value.features ?? []).map(({ feature, is_local, writable, setting }) => html`<li>
        <${Link} to=${`${siteUrl(id)}/${feature}`}>
          <strong>${title(feature)}</strong>
          <span class="quiet">${setting.setting === "default" ? "default" : is_local ? "set here" : "inherited"}${writable ? "" : ", read only"}</span>
        <//>
      </li>`)}
    </ul>
    ${site.locations.length > 0 && html`<h2>Applications and virtual directories</h2>
      <${Table} caption="Applications and virtual directories" rows=${site.locations} columns=${[
        ["Path", (location) => html`<code>${location.modifier} ${location.path}</code>`],
        ["Content", ({ content }) => content.folder ?? (content.target && `${content.protocol}://${content.target}`) ?? content.kind],
        ["Line", (location) => location.position.line, true],
      ]} />`}`;
}

function title(feature) {
  const text = feature.replaceAll("-", " ").replace("ip ", "IP ").replace("mime ", "MIME ").replace("ssl", "SSL");
  return text[0].toUpperCase() + text.slice(1);
}

/** Fields of features with a form: `[name, label, kind]`. Others are edited as JSON. */
const forms = {
  "default-documents": [["files", "Default documents, one per line", "lines"]],
  "directory-browsing": [["enabled", "List folders without a default document", "check"]],
  "response-headers": [["headers", "Headers, one per line: Name: value", "headers"]],
  compression: [["enabled", "Compress responses", "check"], ["level", "Level (1 to 9)", "number"], ["minimum_size", "Minimum size in bytes", "number"], ["types", "Media types, one per line", "optional-lines"]],
  limits: [["request_body", "Maximum request body in bytes", "number"], ["keep_alive", "Keep-alive in seconds", "number"], ["header_timeout", "Time for request headers in seconds", "number"], ["body_timeout", "Time for the request body in seconds", "number"], ["send_timeout", "Time between sent packets in seconds", "number"], ["rate", "Maximum rate in bytes per second", "number"]],
};

const kinds = {
  lines: { text: (value) => (value ?? []).join("\n"), parse: linesOf },
  "optional-lines": { text: (value) => (value ?? []).join("\n"), parse: (text) => (linesOf(text).length ? linesOf(text) : null) },
  headers: {
    text: (value) => (value ?? []).map((header) => `${header.name}: ${header.value}${header.always ? " always" : ""}`).join("\n"),
    parse: (text) => linesOf(text).map((line) => {
      const [, name, value, always] = /^([^:]*):\s*(.*?)( always)?$/.exec(line) ?? [null, line, "", ""];
      return { name, value, always: Boolean(always) };
    }),
  },
  number: { text: (value) => value ?? "", parse: (text) => (text === "" ? null : Number(text)) },
};

export function Feature({ id, name }) {
  const resource = `${siteUrl(id)}/features/${name}`;
  const { data, error, reload } = useData(() => get(resource));
  const [failure, setFailure] = useState(null);
  const state = data?.value;
  const change = async (label, method, body) => {
    try {
      setFailure(null);
      await preview(label, { method, resource, body, tag: data.tag }, reload);
    } catch (problem) {
      setFailure(problem);
    }
  };
  useEffect(() => {
    if (!state) return;
    const [origin] = state.origins;
    writes.value = origin ? `Set in ${origin.file}:${origin.line}` : "Not set in any file";
    if (state.writable && state.is_local) actions.value = [{ label: "Revert to inherited", run: () => change(`Revert ${title(name)} of ${id}`, "DELETE") }];
  }, [data]);
  if (!state) return html`<${Waiting} error=${error} />`;
  const value = state.setting.value ?? { feature: name };
  const fields = forms[name];
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    let body = { feature: name };
    if (fields) {
      for (const [field, , kind] of fields) body[field] = kind === "check" ? form.has(field) : kinds[kind].parse(form.get(field));
    } else {
      try {
        body = JSON.parse(form.get("json"));
      } catch (problem) {
        setFailure(new Error(`Not JSON: ${problem.message}`));
        return;
      }
    }
    change(`${title(name)} of ${id}`, "PUT", body);
  };
  return html`
    <${Heading} detail=${html`<${Link} to=${siteUrl(id)}>${id}<//>${", "}${state.setting.setting === "default" ? "default of the web server" : state.is_local ? "set here" : "inherited"}`}>${title(name)}<//>
    <${Problem} error=${failure} />
    ${!state.writable && html`<p class="warning">This feature is locked and read only for you.</p>`}
    ${state.setting.setting === "unsupported" && html`<p class="warning">The directives have a form that this page cannot change:</p><pre tabindex="0">${state.setting.text}</pre>`}
    <form class="grid" key=${data.tag} onSubmit=${submit}>
      ${fields
        ? fields.map(([field, label, kind]) => kind === "check"
            ? html`<label class="check"><input type="checkbox" name=${field} checked=${Boolean(value[field])} disabled=${!state.writable} />${label}</label>`
            : kind === "number"
              ? html`<label>${label}<input type="number" min="0" name=${field} value=${kinds.number.text(value[field])} readonly=${!state.writable} /></label>`
              : html`<label>${label}<textarea name=${field} rows="6" readonly=${!state.writable}>${kinds[kind].text(value[field])}</textarea></label>`)
        : html`<label>Value as JSON<textarea name="json" rows="12" spellcheck="false" readonly=${!state.writable}>${JSON.stringify(value, null, 2)}</textarea></label>`}
      ${state.writable && html`<p class="buttons"><button class="primary">Preview changes</button></p>`}
    </form>`;
}
