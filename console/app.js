// The console: sign-in, or the three panes with the page of the path.
import { effect } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { abortReads, currentSession, get, rememberSession, send } from "./api.js";
import { Certificates, NewCertificate } from "./certificates.js";
import { confirm } from "./changes.js";
import { DeploymentRules } from "./deployment-rules.js";
import { Deployments } from "./deployments.js";
import { Collector, Event, Events, ForwardedEvents } from "./events.js";
import { Feature } from "./feature.js";
import { Hardware } from "./hardware.js";
import { RemoteIis } from "./iis.js";
import { MachineRun } from "./machine-run.js";
import { Machines } from "./machines.js";
import { Overview } from "./overview.js";
import { Audit, Keys, Sessions, Users } from "./people.js";
import { NewPool, Pool, Pools } from "./pools.js";
import { Remote, RemoteCollector, RemoteMachine, isWindows } from "./remote.js";
import { RemoteWsMan } from "./remote-wsman.js";
import { Heading, Link, Problem, Waiting, go, html, leave, useData } from "./router.js";
import { Service } from "./service.js";
import { SignIn } from "./sign-in.js";
import { NewLocation, NewSite, Site, Sites } from "./sites.js";
import { actions, dialog, elevation, hasRole, leaving, machineStates, menuOpen, notice, path, session, writes } from "./state.js";
import { Commit, History, Logs, WebServer } from "./web.js";
import { Class, Classes, Instance, Instances, Namespaces, Query } from "./wmi.js";
import { WsMan } from "./wsman.js";

/** Pages that this machine and other ones have: title, pattern of the path, and component. The first argument is the identifier of another machine. */
const commonPages = [
  ["WMI", /^\/wmi$/, (machine) => html`<${Namespaces} machine=${machine} />`],
  ["WMI", /^\/wmi\/query$/, (machine) => html`<${Query} machine=${machine} />`],
  ["WMI", /^\/wmi\/([^/]+)$/, (machine, namespace) => html`<${Classes} key=${namespace} machine=${machine} namespace=${namespace} />`],
  ["WMI", /^\/wmi\/([^/]+)\/instance\/([^/]+)$/, (machine, namespace, object) => html`<${Instance} key=${namespace + object} machine=${machine} namespace=${namespace} object=${object} />`],
  ["WMI", /^\/wmi\/([^/]+)\/([^/]+)$/, (machine, namespace, name) => html`<${Class} key=${namespace + name} machine=${machine} namespace=${namespace} name=${name} />`],
  ["WMI", /^\/wmi\/([^/]+)\/([^/]+)\/instances$/, (machine, namespace, name) => html`<${Instances} key=${namespace + name} machine=${machine} namespace=${namespace} name=${name} />`],
  ["Events", /^\/events$/, (machine) => html`<${Events} machine=${machine} />`],
  ["Events", /^\/events\/([^/]+)\/(\d+)$/, (machine, channel, record) => html`<${Event} key=${channel + record} machine=${machine} channel=${channel} record=${record} />`],
  ["Web server", /^\/web\/new-site$/, (machine) => html`<${NewSite} machine=${machine} />`],
  ["Web server", /^\/web\/sites\/([^/]+)$/, (machine, id) => html`<${Site} key=${id} id=${id} machine=${machine} />`],
  ["Web server", /^\/web\/sites\/([^/]+)\/new-location$/, (machine, id) => html`<${NewLocation} key=${id} id=${id} machine=${machine} />`],
  ["Web server", /^\/web\/sites\/([^/]+)\/([a-z-]+)$/, (machine, id, name) => html`<${Feature} key=${id + name} id=${id} name=${name} machine=${machine} />`],
  ["Web server", /^\/web\/history$/, (machine) => html`<${History} machine=${machine} />`],
  ["Web server", /^\/web\/history\/(\d+)$/, (machine, number) => html`<${Commit} key=${number} number=${number} machine=${machine} />`],
  ["Hardware", /^\/hardware$/, (machine) => html`<${Hardware} machine=${machine} />`],
];

/** A page of another machine. */
const remote = (id, title, page) => html`<${Remote} key=${id} id=${id} title=${title} page=${page} />`;

/** Pages: pattern of the path, and component. Groups of the pattern are its arguments. */
const pages = [
  [/^\/$/, () => (hasRole("viewer") ? html`<${Overview} />` : html`<${Sites} />`)],
  [/^\/web$/, () => html`<${WebServer} />`],
  [/^\/web\/sites$/, () => html`<${Sites} />`],
  [/^\/web\/certificates$/, () => html`<${Certificates} />`],
  [/^\/web\/new-certificate$/, () => html`<${NewCertificate} />`],
  [/^\/web\/new-certificate\/([^/]+)$/, (name) => html`<${NewCertificate} key=${name} name=${name} />`],
  [/^\/web\/pools$/, () => html`<${Pools} />`],
  [/^\/web\/new-pool$/, () => html`<${NewPool} />`],
  [/^\/web\/pools\/([^/]+)$/, (name) => html`<${Pool} key=${name} name=${name} />`],
  [/^\/web\/sites\/([^/]+)\/deployments$/, (id) => html`<${Deployments} key=${id} id=${id} />`],
  [/^\/web\/logs$/, () => html`<${Logs} />`],
  [/^\/events\/forwarded$/, () => html`<${ForwardedEvents} />`],
  [/^\/events\/collector$/, () => html`<${Collector} />`],
  [/^\/wsman$/, () => html`<${WsMan} />`],
  [/^\/machines$/, () => html`<${Machines} />`],
  [/^\/machines\/([^/]+)$/, (id) => html`<${RemoteMachine} key=${id} id=${id} />`],
  [/^\/machines\/([^/]+)\/wsman$/, (id) => remote(id, "WS-Management", (machine) => html`<${RemoteWsMan} machine=${machine} />`)],
  [/^\/machines\/([^/]+)\/iis$/, (id) => remote(id, "Web server", (machine) => html`<${RemoteIis} machine=${machine} />`)],
  [/^\/machines\/([^/]+)\/events\/collector$/, (id) => remote(id, "Collector", (machine) => html`<${RemoteCollector} machine=${machine} />`)],
  [/^\/machine-runs\/([^/]+)$/, (id) => html`<${MachineRun} key=${id} id=${id} />`],
  [/^\/management\/service$/, () => html`<${Service} />`],
  [/^\/management\/users$/, () => html`<${Users} />`],
  [/^\/management\/deployment-rules$/, () => html`<${DeploymentRules} />`],
  [/^\/management\/keys$/, () => html`<${Keys} />`],
  [/^\/management\/sessions$/, () => html`<${Sessions} />`],
  [/^\/management\/audit$/, () => html`<${Audit} />`],
];

/** Returns the arguments of a path that matches a pattern, or null. */
const match = (pattern, text) => pattern.exec(text)?.slice(1).map(decodeURIComponent);

function Page() {
  for (const [pattern, page] of pages) {
    const found = match(pattern, path.value);
    if (found) return page(...found);
  }
  const [, id, rest] = /^\/machines\/([^/]+)(\/.+)$/.exec(path.value) ?? [];
  for (const [title, pattern, page] of commonPages) {
    const found = match(pattern, rest ?? path.value);
    if (found) return id ? remote(id, title, (machine) => page(machine.id, ...found)) : page(undefined, ...found);
  }
  return html`<${Heading}>Page not found<//><p>There is no page <code>${path.value}</code>. <${Link} to="/">Start page<//></p>`;
}

/** Returns the value of `aria-current` for a link: the page itself, or a site with one of its features. */
function currentness(to) {
  if (path.value === to) return "page";
  if (to.endsWith("/wmi/query") || path.value.endsWith("/wmi/query")) return undefined;
  const hasPagesBelow = ["/web/sites/", "/web/pools", "/wmi", "/events"].some((start) => to.startsWith(start)) || /^\/machines\/[^/]+\/./.test(to);
  return hasPagesBelow && path.value.startsWith(`${to}/`) ? "true" : undefined;
}

/** Tree of pages at the left. Arrow keys move the focus. */
function Tree() {
  const sites = useData(() => get("/web/sites").catch(() => ({ value: { sites: [] } })), [path.value]);
  const machines = useData(async () => (hasRole("administrator") ? get("/machines").catch(() => null) : null), [path.value, notice.value]);
  const entry = (to, label, level = 0) => html`<li>
    <${Link} to=${to} class=${`level-${level}`} aria-current=${currentness(to)}>${label}<//>
  </li>`;
  const move = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const links = [...event.currentTarget.querySelectorAll("a")];
    links[links.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
  };
  return html`<nav aria-label="Connections" class=${menuOpen.value ? "tree open" : "tree"} onKeyDown=${move}>
    <ul>
      ${hasRole("viewer") && entry("/", session.value.machine)}
      ${hasRole("viewer") && entry("/web", "Web server", 1)}
      ${entry("/web/sites", "Sites", 2)}
      ${(sites.data?.value.sites ?? []).slice(0, 200).map((site) => entry(`/web/sites/${encodeURIComponent(site.id)}`, site.names[0] ?? site.id, 3))}
      ${hasRole("viewer") && [entry("/web/pools", "Pools", 2), entry("/web/certificates", "Certificates", 2), entry("/web/history", "History", 2), entry("/web/logs", "Logs", 2)]}
      ${hasRole("viewer") && [entry("/wmi", "WMI", 1), entry("/wmi/query", "Query", 2), entry("/events", "Events", 1), entry("/wsman", "WS-Management", 1), entry("/hardware", "Hardware", 1)]}
      ${session.value.terminals && html`<li><a href="/terminal" target="_blank" rel="noopener" class="level-1">Terminal</a></li>`}
      ${hasRole("administrator") && [
        html`<li class="group">Machines</li>`,
        entry("/machines", "All machines", 1),
        (machines.data?.value.machines ?? []).map((one) => [
          entry(`/machines/${one.id}`, (machineStates.value[one.id] ?? one.status.state) === "unreachable" ? `${one.name} (unreachable)` : one.name, 1),
          path.value.startsWith(`/machines/${one.id}`) && [...(isWindows(one.status) ? [["iis", "Web server"]] : []), ["wmi", "WMI"], ["wmi/query", "Query"], ["events", "Events"], ["wsman", "WS-Management"], ["hardware", "Hardware"]].map(([page, label]) => entry(`/machines/${one.id}/${page}`, label, page === "wmi/query" ? 3 : 2)),
        ]),
        html`<li class="group">Management</li>`,
        entry("/management/service", "Management Service", 1),
        entry("/management/users", "Users and permissions", 1),
        entry("/management/deployment-rules", "Deployment rules", 1),
        entry("/management/keys", "API keys", 1),
        entry("/management/sessions", "Sessions", 1),
        entry("/management/audit", "Audit", 1),
      ]}
    </ul>
  </nav>`;
}

/** Pane at the right with the actions of the page. */
function Actions() {
  if (!actions.value.length) return null;
  return html`<aside aria-label="Actions" class="actions">
    <h2>Actions</h2>
    ${actions.value.map(({ label, run, kind }) => html`<button class=${kind ?? ""} onClick=${run}>${label}</button>`)}
  </aside>`;
}

/** Dialog over the page: keeps the focus inside, and returns it at the end. `close` is called when the user leaves it. */
function Dialog({ content, close, title }) {
  const element = useRef(null);
  useEffect(() => {
    if (content) element.current?.showModal();
  }, [content]);
  if (!content) return null;
  return html`<dialog ref=${element} aria-labelledby=${title} onClose=${close}>${content}</dialog>`;
}

async function signOut() {
  abortReads();
  try {
    await send("DELETE", "/session");
  } finally {
    rememberSession(null);
    go("/");
  }
}

// Asks before a page with unsaved changes is left.
effect(() => {
  const run = leaving.value;
  if (!run) return;
  leaving.value = null;
  confirm("Leave without applying?", "The changes in this form are lost.", "Leave", run);
});

function Frame() {
  useEffect(() => {
    document.title = `${session.value.machine} – Telarch`;
  }, []);
  const { username, role } = session.value;
  return html`<div class="frame">
    <a class="skip" href="#content">Skip to the content</a>
    <header class="bar">
      <button class="menu" aria-expanded=${menuOpen.value} onClick=${() => (menuOpen.value = !menuOpen.value)}>Menu</button>
      <img src="/favicon.svg" alt="" width="22" height="22" />
      <strong>Telarch</strong>
      <span class="user"><span class="name">${username}</span> <span class="quiet">${role}</span></span>
      <button onClick=${() => leave(signOut)}>Sign out</button>
    </header>
    <${Tree} />
    <main id="content"><${Page} /></main>
    <${Actions} />
    <footer class="status">
      <div role="status">${notice.value ? html`<span class=${notice.value.kind}>${notice.value.text}</span>` : writes.value || "Ready"}</div>
    </footer>
    <${Dialog} content=${dialog.value} close=${() => (dialog.value = null)} title="dialog-title" />
    <${Dialog} content=${elevation.value?.content} close=${() => elevation.value?.cancel()} title="elevation-title" />
  </div>`;
}

function App() {
  const loaded = useData(async () => (session.value = await currentSession()));
  if (session.value === undefined) return html`<main class="sign-in"><${Waiting} error=${loaded.error} /></main>`;
  return session.value ? html`<${Frame} />` : html`<${SignIn} />`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
