// Sites and their bindings.
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { preview } from "./changes.js";
import { featureTitle } from "./feature.js";
import { Form } from "./form.js";
import { poolUrl } from "./pools.js";
import { Heading, Link, Problem, Table, Waiting, go, html, useData } from "./router.js";
import { actions, hasRole, writes } from "./state.js";
import { check, choice, object, rows, text, variant, without } from "./values.js";

/** Returns the path of a site, of the API and of pages: of this machine, or of another one with IIS. */
export const siteUrl = (id, machine) => `${pathOf(machine)}/web/sites/${encodeURIComponent(id)}`;

/** Returns the path of the list of sites. */
const listUrl = (machine) => (machine ? `${pathOf(machine)}/iis` : "/web/sites");

/** The first host name of a site, or its identifier. */
const label = (site) => site.names[0] ?? site.id;

function listenerText({ address, tls, http2, default_site }) {
  return [address, tls && "TLS", http2 && "HTTP/2", default_site && "default"].filter(Boolean).join(" ");
}

const listeners = rows("Bindings", "binding", object(
  ["address", text("Port or address", { required: true, placeholder: "80", help: "80, 192.0.2.7:80 or [::]:80" })],
  ["tls", check("TLS")],
  ["http2", check("HTTP/2")],
  ["default_site", check("Default site")],
), { help: "The default site answers requests for unknown host names", minimum: 1 });

const names = rows("Host names", "host name", text("Host name", { required: true, placeholder: "www.example.com" }), {
  help: "None: only requests that match no other site",
});

/** Names of the options of bindings that the web server does not support. */
function unsupportedOptions(web) {
  const { tls, http2, default_site } = web?.info.capabilities ?? {};
  return web ? Object.entries({ tls, http2, default_site }).filter(([, isSupported]) => !isSupported).map(([name]) => name) : [];
}

const newSite = object(
  ["id", text("Name of the site", { required: true, placeholder: "shop", help: "Letters, digits, hyphens and dots; also the name of the file" })],
  ["listeners", listeners],
  ["names", names],
  ["root", text("Folder", { required: true, placeholder: "/var/www/site" })],
  ["certificate", text("Certificate", { placeholder: "/etc/ssl/site.pem", help: "PEM file; only with TLS" })],
  ["key", text("Private key", { placeholder: "/etc/ssl/private/site.key", help: "PEM file; only with TLS" })],
);

const siteBindings = object(["listeners", listeners], ["names", names], ["root", text("Folder", { placeholder: "/var/www/site" })]);

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
    <${Heading} detail=${sites.length === 1 ? "One site" : `${sites.length} sites`}>Sites<//>
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

/** Form for a new site of this machine, or of another one with IIS. */
export function NewSite({ machine }) {
  const base = `${pathOf(machine)}/web`;
  const web = useData(() => get(base));
  const submit = async (body) => {
    const { tag } = await get(`${base}/sites`);
    await preview(`Create the site ${body.id}`, { method: "POST", resource: `${base}/sites`, body, tag }, { done: () => go(siteUrl(body.id, machine)) });
  };
  if (!web.data) return html`<${Waiting} error=${web.error} />`;
  return html`
    <${Heading} detail=${machine ? "The next step shows the change before anything is written." : "The next step shows the new file before anything is written."}>Add site<//>
    <${Form} field=${without(newSite, [...unsupportedOptions(web.data.value), ...(machine ? ["certificate", "key"] : [])])} value=${{ listeners: [{ address: "80" }] }} label="Preview" submit=${submit} cancel=${() => go(listUrl(machine))} />`;
}

/** A site of this machine, or of another one with IIS. */
export function Site({ id, machine }) {
  const base = `${pathOf(machine)}/web`;
  const url = siteUrl(id, machine);
  const { data, error, reload } = useData(() => get(url));
  const [failure, setFailure] = useState(null);
  const site = data?.value;
  const isStarted = site?.state === "started";
  const web = useData(async () => (hasRole("viewer") ? get(base) : null));
  // The directives of a stopped site are no part of the configuration.
  const features = useData(async () => (isStarted ? get(`${url}/features`) : null), [isStarted]);
  // Before the dialog of a change closes, so that no action uses the revision before the change.
  useLayoutEffect(() => {
    if (!site) return;
    writes.value = machine ? "Writes to the configuration of IIS, applies at once" : `Writes to ${site.position.file}:${site.position.line}, applies by reload`;
    if (!hasRole("administrator")) return;
    const change = (title, method, body, after) => async () => {
      try {
        setFailure(null);
        await preview(title, { method, resource: url, body, tag: data.tag }, after);
      } catch (problem) {
        setFailure(problem);
      }
    };
    actions.value = [
      { label: isStarted ? "Stop site" : "Start site", run: change(`${isStarted ? "Stop" : "Start"} ${label(site)}`, "PATCH", { state: isStarted ? "stopped" : "started" }, { reload }) },
      { label: "Delete site", kind: "danger", run: change(`Delete ${label(site)}`, "DELETE", undefined, { done: () => go(listUrl(machine)) }) },
    ];
  }, [data]);
  if (!site) return html`<${Waiting} error=${error} />`;
  const removeLocation = async ({ path }) => {
    try {
      setFailure(null);
      const { tag } = await get(base);
      const body = { changes: [{ change: "delete-location", site: id, path }] };
      await preview(`Delete ${path} of ${label(site)}`, { method: "POST", resource: `${base}/changes`, body, tag }, { reload });
    } catch (problem) {
      setFailure(problem);
    }
  };
  const submit = async ({ root, ...body }, { isRepeated }) => {
    const tag = isRepeated ? (await get(url)).tag : data.tag;
    if (root && root !== site.root) body.root = root;
    await preview(`Change ${label(site)}`, { method: "PATCH", resource: url, body, tag }, { reload });
  };
  return html`
    <${Heading} detail=${machine ? html`<code>${id}</code>, a site of IIS` : html`<code>${id}</code> in <code>${site.position.file}:${site.position.line}</code>`}>${label(site)}<//>
    <p><span class=${isStarted ? "badge ok" : "badge"}>${site.state}</span></p>
    <${Problem} error=${failure} />
    ${site.unsupported.length > 0 && html`<p class="warning">Only ${machine ? "IIS Manager" : "the file itself"} can change: ${site.unsupported.join(", ")}</p>`}
    <h2>Bindings and folder</h2>
    <${Form} key=${data.tag} field=${without(siteBindings, unsupportedOptions(web.data?.value))} value=${site} isReadOnly=${!hasRole("administrator")} label="Preview changes" submit=${submit} />
    <h2>Features</h2>
    ${!isStarted && html`<p class="quiet">Start the site to see and change its features.</p>`}
    <${Problem} error=${features.error} />
    <ul class="features">
      ${(features.data?.value.features ?? []).map(({ feature, is_local, writable, setting }) => html`<li>
        <${Link} to=${`${url}/${feature}`}>
          <strong>${featureTitle(feature)}</strong>
          <span class="quiet">${setting.setting === "default" ? "default" : is_local ? "set here" : "inherited"}${writable ? "" : ", read only"}</span>
        <//>
      </li>`)}
    </ul>
    ${!machine && html`<h2>Content</h2>
    <p><${Link} to=${`${siteUrl(id)}/deployments`}>Deployments<//> replace the files of the site with those of an archive.</p>`}
    <h2>Applications and virtual directories</h2>
    ${hasRole("administrator") && isStarted && html`<p><${Link} to=${`${url}/new-location`}>${machine ? "Add a virtual directory" : "Add an application or a virtual directory"}<//></p>`}
    <${Table} caption="Applications and virtual directories" rows=${site.locations} empty="There is none." columns=${[
      ["Path", (location) => html`<code>${location.modifier} ${location.path}</code>`],
      ["Content", ({ content }) => (content.pool ? html`${content.protocol} to <${Link} to=${poolUrl(content.pool)}>${content.pool}<//>` : content.folder ?? (content.target && `${content.protocol}://${content.target}`) ?? content.kind)],
      ...(machine ? [] : [["Line", (location) => location.position.line, true]]),
      ["", (location) => hasRole("administrator") && isStarted && isTyped(location) && html`<button class="danger" aria-label=${`Delete ${location.path}`} onClick=${() => removeLocation(location)}>Delete…</button>`],
    ]} />`;
}

/** Whether the location is one that this page can delete: not one of a regular expression, and not one with settings only. */
const isTyped = ({ modifier, content }) => !modifier.startsWith("~") && content.kind !== "inherited";

const protocols = { http: "HTTP", https: "HTTPS", fastcgi: "FastCGI", uwsgi: "uwsgi", scgi: "SCGI", grpc: "gRPC" };

/** Field of a new location, with the protocols of the web server and the pools that exist. */
function newLocation({ application_protocols: supported }, pools) {
  const folder = { label: "Virtual directory", matches: (value) => value?.pool === undefined, field: object(["folder", text("Folder", { required: true, placeholder: "/srv/images" })]) };
  const application = {
    label: "Application",
    matches: (value) => value?.pool !== undefined,
    field: object(
      ["protocol", choice("Protocol", supported.map((name) => [name, protocols[name]]))],
      ["pool", choice("Pool", pools.map(({ name }) => [name, name]))],
      ["path", text("Path at the server", { placeholder: "/", help: "Replaces the path of the location, only with HTTP; empty keeps it" })],
    ),
  };
  return object(
    ["path", text("Path", { required: true, placeholder: "/api/", help: "Beginning of the paths of the requests" })],
    ["location", variant("Content", supported.length && pools.length ? [folder, application] : [folder])],
  );
}

/** Form for a new application or virtual directory. IIS has no pools of back-end servers, so it gets virtual directories. */
export function NewLocation({ id, machine }) {
  const base = `${pathOf(machine)}/web`;
  const url = siteUrl(id, machine);
  const { data, error } = useData(async () => ({ web: await get(base), pools: machine ? [] : (await get("/web/pools")).value.pools }));
  if (!data) return html`<${Waiting} error=${error} />`;
  const { web, pools } = data;
  const submit = async ({ path, location }, { isRepeated }) => {
    const tag = isRepeated ? (await get(base)).tag : web.tag;
    const content = location.folder ? { kind: "directory", ...location } : { kind: "application", ...location, path: location.path || null };
    const body = { changes: [{ change: "put-location", site: id, path, location: content }] };
    await preview(`Add ${path} to ${id}`, { method: "POST", resource: `${base}/changes`, body, tag }, { done: () => go(url) });
  };
  return html`
    <p class="links"><${Link} to=${url}>${id}<//> ${!machine && html`<${Link} to="/web/pools">Pools<//>`}</p>
    <${Heading} detail="Requests whose path begins with the path are answered from a folder, or passed to a pool of servers.">Add an application or a virtual directory<//>
    ${!machine && !pools.length && html`<p class="quiet">An application needs a pool: <${Link} to="/web/new-pool">add one<//> first.</p>`}
    <${Form} field=${newLocation(web.value.info.capabilities, pools)} value=${{}} label="Preview" submit=${submit} cancel=${() => go(url)} />`;
}
