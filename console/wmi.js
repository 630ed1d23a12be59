// WMI of this machine, or with `machine` of another one: namespaces, classes, instances, queries and methods.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, pathOf, queryWmi } from "./api.js";
import { change } from "./elevation.js";
import { Heading, Link, Problem, Table, Waiting, html, useData } from "./router.js";
import { actions, dialog, hasRole, notice } from "./state.js";

const part = encodeURIComponent;
const resourceOf = (namespace, machine) => `${pathOf(machine)}/wmi/namespaces/${part(namespace)}`;
const namespaceUrl = (namespace, machine) => `${pathOf(machine)}/wmi/${part(namespace)}`;
const classUrl = (namespace, name, machine) => `${namespaceUrl(namespace, machine)}/${part(name)}`;
/** Returns the path of the page of an instance. */
export const instanceUrl = (namespace, object, machine) => `${namespaceUrl(namespace, machine)}/instance/${part(object)}`;

/** Returns a value as text: elements of arrays separated by commas, embedded instances as JSON. */
export function shown(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Way from the namespaces to a page. */
function Way({ machine, namespace, name }) {
  return html`<nav aria-label="Path" class="links">
    <${Link} to=${`${pathOf(machine)}/wmi`}>WMI<//> <${Link} to=${namespaceUrl(namespace, machine)}>${namespace}<//>
    ${name && html`<${Link} to=${classUrl(namespace, name, machine)}>${name}<//> <${Link} to=${`${classUrl(namespace, name, machine)}/instances`}>Instances<//>`}
  </nav>`;
}

export function Namespaces({ machine }) {
  const { data, error } = useData(() => get(`${pathOf(machine)}/wmi/namespaces`), [machine]);
  if (!data) return html`<${Heading}>WMI<//><${Waiting} error=${error} />`;
  const depth = (namespace) => namespace.split("/").length - 1;
  return html`
    <${Heading} detail=${machine ? "Windows Management Instrumentation, as your account on the machine sees it." : "Windows Management Instrumentation of this machine, as its clients see it."}>WMI<//>
    <p><${Link} to=${`${pathOf(machine)}/wmi/query`}>Query<//></p>
    <h2>Namespaces</h2>
    <ul class="namespaces">
      ${data.value.namespaces.map((namespace) => html`<li class=${`depth-${Math.min(depth(namespace), 4)}`}><${Link} to=${namespaceUrl(namespace, machine)}>${namespace}<//></li>`)}
    </ul>`;
}

/** Number of rows of a list before the rest is requested. */
const firstRows = 200;

export function Classes({ machine, namespace }) {
  const { data, error } = useData(() => get(`${resourceOf(namespace, machine)}/classes`));
  const [filter, setFilter] = useState("");
  const [kind, setKind] = useState("provider");
  const [isAll, setAll] = useState(false);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { classes, is_cut } = data.value;
  const kinds = {
    provider: ["With instances", (one) => one.has_provider && !one.is_association],
    association: ["Associations", (one) => one.is_association],
    all: ["All", () => true],
  };
  const text = filter.toLowerCase();
  const found = classes.filter((one) => kinds[kind][1](one) && one.name.toLowerCase().includes(text));
  return html`
    <${Way} machine=${machine} namespace=${namespace} />
    <${Heading} detail=${`${found.length} of ${classes.length} classes${is_cut ? "; the list is incomplete" : ""}`}>${namespace}<//>
    <div class="filters">
      <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
      <label>Classes<select value=${kind} onChange=${(event) => setKind(event.target.value)}>${Object.entries(kinds).map(([name, [label]]) => html`<option value=${name} selected=${name === kind}>${label}</option>`)}</select></label>
    </div>
    <${Table} caption="Classes" rows=${isAll ? found : found.slice(0, firstRows)} empty="No class matches." columns=${[
      ["Class", (one) => html`<${Link} to=${classUrl(namespace, one.name, machine)}>${one.name}<//>`],
      ["Superclass", (one) => one.superclass && html`<${Link} to=${classUrl(namespace, one.superclass, machine)}>${one.superclass}<//>`],
      ["Kind", (one) => [one.is_abstract && "abstract", one.is_association && "association", one.has_provider && "instances"].filter(Boolean).join(", ")],
    ]} />
    ${!isAll && found.length > firstRows && html`<p><button onClick=${() => setAll(true)}>Show all ${found.length}</button></p>`}`;
}

function Qualifiers({ values }) {
  const entries = Object.entries(values).filter(([name]) => !["description", "cimtype", "key", "read", "write"].includes(name.toLowerCase()));
  return html`${entries.map(([name, value]) => html`<code class="qualifier" title=${shown(value)}>${name}${value === true ? "" : `(${shown(value).slice(0, 60)})`}</code> `)}`;
}

/** Properties of a class, with a filter if there are many. */
function Properties({ properties, link }) {
  const [filter, setFilter] = useState("");
  const [isAll, setAll] = useState(false);
  const text = filter.toLowerCase();
  const found = properties.filter((property) => property.name.toLowerCase().includes(text));
  const limit = 20;
  return html`
    ${properties.length > limit && html`<label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>`}
    <${Table} caption="Properties" rows=${isAll ? found : found.slice(0, limit)} empty=${filter ? "No property matches." : "The class has no property."} columns=${[
      ["Name", (property) => html`<strong>${property.name}</strong>`],
      ["Type", (property) => html`<code>${property.type}</code>`],
      ["Access", (property) => [property.is_key && "key", property.is_writable ? "write" : "read"].filter(Boolean).join(", ")],
      ["Declared in", (property) => (property.is_inherited ? link(property.origin) : "here")],
      ["Qualifiers", (property) => html`<span><${Qualifiers} values=${property.qualifiers} /></span>`],
    ]} />
    ${!isAll && found.length > limit && html`<p><button onClick=${() => setAll(true)}>Show all ${found.length}</button></p>`}`;
}

export function Class({ machine, namespace, name }) {
  const { data, error } = useData(() => get(`${resourceOf(namespace, machine)}/classes/${part(name)}`));
  if (!data) return html`<${Waiting} error=${error} />`;
  const one = data.value;
  const link = (other) => html`<${Link} to=${classUrl(namespace, other, machine)}>${other}<//> `;
  const kind = [one.is_abstract && "abstract", one.is_association && "association", one.is_singleton && "singleton"].filter(Boolean).join(", ");
  return html`
    <${Way} machine=${machine} namespace=${namespace} />
    <${Heading} detail=${[kind, one.qualifiers.Description].filter(Boolean).join(" – ")}>${one.name}<//>
    <p class="links"><${Link} to=${`${classUrl(namespace, one.name, machine)}/instances`}>Instances<//></p>
    <dl>
      ${one.derivation.length > 0 && html`<dt>Superclasses</dt><dd>${one.derivation.map(link)}</dd>`}
      ${one.subclasses?.length > 0 && html`<dt>Subclasses</dt><dd>${one.subclasses.slice(0, 100).map(link)}</dd>`}
      ${one.subclasses === null && html`<dt>Subclasses</dt><dd class="quiet">not known: the machine did not list its classes in time</dd>`}
      ${Object.keys(one.qualifiers).length > 0 && html`<dt>Qualifiers</dt><dd><${Qualifiers} values=${one.qualifiers} /></dd>`}
    </dl>
    <h2>Properties</h2>
    <${Properties} properties=${one.properties} link=${link} />
    <h2>Methods</h2>
    <${Table} caption="Methods" rows=${one.methods} empty="The class has no method." columns=${[
      ["Name", (method) => html`<strong>${method.name}</strong>`],
      ["Parameters", (method) => html`<code>${method.parameters.map((parameter) => `${parameter.is_in ? "" : "out "}${parameter.type} ${parameter.name}`).join(", ")}</code>`],
      ["Returns", (method) => html`<code>${method.returns ?? "void"}</code>`],
      ["Called on", (method) => (method.is_static ? "the class" : "an instance")],
      ["", (method) => hasRole("administrator") && method.is_static && html`<button onClick=${() => call({ machine, namespace, definition: one, object: null, method })} aria-label=${`Call ${method.name}`}>Call</button>`],
    ]} />`;
}

/** Properties that tables show at first, if a class has them. */
const usual = ["Name", "Caption", "ElementName", "DeviceID", "Handle", "ProcessId", "State", "Status", "Description"];

/** Returns the columns of rows with all properties: the usual ones, then others with values. */
function columnsOf(rows) {
  const filled = [];
  for (const { values } of rows.slice(0, 50)) {
    for (const [name, value] of Object.entries(values)) if (value !== null && !filled.includes(name)) filled.push(name);
  }
  return [...usual.filter((name) => filled.includes(name)), ...filled.filter((name) => !usual.includes(name))].slice(0, 6);
}

/** Rows of a query, with links to the instances. */
export function Rows({ machine, namespace, rows, properties, caption }) {
  const columns = properties ?? columnsOf(rows);
  const target = (row) => (row.path === row.class ? classUrl(namespace, row.path, machine) : instanceUrl(namespace, row.path, machine));
  return html`<${Table} caption=${caption} rows=${rows} empty="There is no instance." columns=${[
    // Rows without their keys have no paths.
    [rows.some((row) => row.path) ? "Path" : "Class", (row) => (row.path ? html`<${Link} to=${target(row)}>${row.path}<//>` : row.class)],
    ...columns.map((name) => [name, (row) => shown(row.values[name]).slice(0, 300)]),
  ]} />`;
}

/** Classes that the result lacks, and the rest of the rows. */
function More({ page, isBusy, more }) {
  return html`
    ${page.omitted.map((one) => html`<p class="warning">${one.class} is missing: ${one.reason}</p>`)}
    ${page.is_cut && html`<p class="warning">The list is incomplete.</p>`}
    ${page.next && html`<p><button disabled=${isBusy} onClick=${more}>${isBusy ? "Loading…" : "Next rows"}</button></p>`}`;
}

/** Loads pages: `load(cursor)` returns one. The rows are appended. */
function usePages(load, inputs) {
  const [state, setState] = useState({ rows: [], page: null, error: null, isBusy: false });
  const latest = useRef(0);
  const read = async (cursor, rows) => {
    latest.current += 1;
    const own = latest.current;
    setState((old) => ({ ...old, isBusy: true, error: null }));
    try {
      const page = await load(cursor);
      if (own === latest.current) setState({ rows: [...rows, ...page.rows], page, error: null, isBusy: false });
    } catch (error) {
      if (own === latest.current) setState((old) => ({ ...old, error, isBusy: false }));
    }
  };
  useEffect(() => {
    if (inputs) read(undefined, []);
    return () => (latest.current += 1);
  }, inputs ?? []);
  return { ...state, begin: () => read(undefined, []), more: () => read(state.page.next, state.rows) };
}

export function Instances({ machine, namespace, name }) {
  const { rows, page, error, isBusy, more } = usePages(async (cursor) => (await get(`${resourceOf(namespace, machine)}/classes/${part(name)}/instances`, { cursor })).value, [namespace, name]);
  return html`
    <${Way} machine=${machine} namespace=${namespace} name=${name} />
    <${Heading} detail=${page ? `${rows.length}${page.next ? " or more" : ""}` : "…"}>Instances of ${name}<//>
    <${Problem} error=${error} />
    ${page ? html`<${Rows} machine=${machine} namespace=${namespace} rows=${rows} caption="Instances" /><${More} page=${page} isBusy=${isBusy} more=${more} />` : !error && html`<p class="quiet" role="status">Loading…</p>`}`;
}

export function Instance({ machine, namespace, object }) {
  const { data, error, reload } = useData(async () => {
    const { value } = await get(`${resourceOf(namespace, machine)}/instance`, { path: object });
    const definition = (await get(`${resourceOf(namespace, machine)}/classes/${part(value.class)}`)).value;
    return { value, definition };
  });
  const [isEmptyShown, setEmptyShown] = useState(false);
  const associated = usePages(async (cursor) => (await get(`${resourceOf(namespace, machine)}/associations`, { path: object, cursor })).value, null);
  useEffect(() => {
    if (!data) return;
    const methods = hasRole("administrator") ? data.definition.methods.filter((method) => !method.is_static) : [];
    actions.value = [{ label: "Load again", run: reload }, ...methods.map((method) => ({ label: method.name, run: () => call({ machine, namespace, definition: data.definition, object, method, reload }) }))];
  }, [data]);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { value, definition } = data;
  const rows = definition.properties.filter((property) => isEmptyShown || value.values[property.name] !== null);
  return html`
    <${Way} machine=${machine} namespace=${namespace} name=${value.class} />
    <${Heading} detail=${html`<code>${value.path}</code>`}>${value.values.Caption || value.values.Name || value.class}<//>
    <${Problem} error=${error} />
    <label class="check"><input type="checkbox" checked=${isEmptyShown} onChange=${(event) => setEmptyShown(event.target.checked)} />Properties without a value</label>
    <${Table} caption="Properties" rows=${rows} columns=${[
      ["Property", (property) => html`<strong>${property.name}</strong>`],
      ["Value", (property) => html`<span class="break">${shown(value.values[property.name])}</span>`],
      ["Type", (property) => html`<code>${property.type}</code>`],
    ]} />
    <h2>Associated instances</h2>
    <${Problem} error=${associated.error} />
    ${associated.page
      ? html`<${Rows} machine=${machine} namespace=${namespace} rows=${associated.rows} caption="Associated instances" /><${More} page=${associated.page} isBusy=${associated.isBusy} more=${associated.more} />`
      : html`<p><button disabled=${associated.isBusy} onClick=${associated.begin}>${associated.isBusy ? "Loading…" : "Find associated instances"}</button></p>`}`;
}

/** Shows the parameters of a method, calls it, and shows its output. `object` is null for a static method. */
function call(what) {
  dialog.value = html`<${Call} ...${what} />`;
}

function Call(what) {
  const { machine, namespace, definition, object, method, reload } = what;
  const [error, setError] = useState(null);
  const [output, setOutput] = useState(null);
  const [given, setGiven] = useState({});
  const own = html`<${Call} ...${what} />`;
  const submit = async (event) => {
    event.preventDefault();
    const call = {};
    for (const parameter of method.parameters.filter((one) => one.is_in)) {
      const text = given[parameter.name] ?? "";
      if (text !== "") call[parameter.name] = parameter.type.includes("[") ? text.split(",").map((word) => word.trim()) : text;
    }
    try {
      const body = { arguments: call };
      if (object) body.path = object;
      const { value } = await change("POST", `${resourceOf(namespace, machine)}/classes/${part(definition.name)}/methods/${part(method.name)}`, { body });
      // The dialog for the password replaces this one.
      dialog.value = html`<${Output} method=${method} output=${value.output} />`;
      notice.value = { kind: "ok", text: `${method.name} returned ${shown(value.output.ReturnValue) || "nothing"}.` };
      setOutput(value.output);
      reload?.();
    } catch (failure) {
      if (dialog.value) setError(failure);
      else dialog.value = html`<${Failed} method=${method} error=${failure} again=${() => (dialog.value = own)} />`;
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">Call ${method.name}</h2>
    <p>${object ? html`on <code>${object}</code>` : html`on the class <code>${definition.name}</code>`}. This may change the machine; the audit log has the call without its values.</p>
    ${method.parameters.filter((one) => one.is_in).map((one) => html`<div class="field">
      <label for=${`in-${one.name}`}>${one.name}</label>
      <input id=${`in-${one.name}`} aria-describedby=${`type-${one.name}`} value=${given[one.name] ?? ""} onInput=${(event) => setGiven({ ...given, [one.name]: event.target.value })} />
      <small id=${`type-${one.name}`}>${one.type}${one.type.includes("[") ? ", separated by commas" : ""}; empty: not sent</small>
    </div>`)}
    <${Problem} error=${error} />
    <p class="buttons"><button class="danger" disabled=${output !== null}>Call ${method.name}</button> <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </form>`;
}

function Output({ method, output }) {
  return html`<div class="output">
    <h2 id="dialog-title">Output of ${method.name}</h2>
    <${Table} caption="Output" rows=${Object.entries(output)} empty="The method has no output." columns=${[
      ["Parameter", ([name]) => name],
      ["Value", ([, value]) => html`<span class="break">${shown(value)}</span>`],
    ]} />
    <p class="buttons"><button onClick=${() => (dialog.value = null)}>Close</button></p>
  </div>`;
}

function Failed({ method, error, again }) {
  return html`<div class="output">
    <h2 id="dialog-title">${method.name} was not called</h2>
    <${Problem} error=${error} />
    <p class="buttons"><button onClick=${again}>Back</button> <button onClick=${() => (dialog.value = null)}>Close</button></p>
  </div>`;
}

/** Position of a failed query: the part of its text that the server names. */
function Position({ text, error }) {
  const { position, reason, advice } = error?.problem ?? {};
  if (!position) return html`<${Problem} error=${error} />`;
  // Positions count bytes.
  const bytes = new TextEncoder().encode(text);
  const piece = (start, end) => new TextDecoder().decode(bytes.slice(start, end));
  return html`<div class="problem" role="alert">
    <p>${reason}${advice ? html`<br />${advice}` : ""}</p>
    <pre tabindex="0" role="region" aria-label="Position of the error">${piece(0, position.start)}<mark>${piece(position.start, position.end) || "▲"}</mark>${piece(position.end)}</pre>
  </div>`;
}

const examples = [
  ["Services", "SELECT Name, State, StartMode FROM Win32_Service WHERE State = 'Running'"],
  ["Processes", "SELECT Name, ProcessId, WorkingSetSize FROM Win32_Process"],
  ["Disks", "SELECT DeviceID, FileSystem, Size, FreeSpace FROM Win32_LogicalDisk"],
];

export function Query({ machine }) {
  const namespaces = useData(() => get(`${pathOf(machine)}/wmi/namespaces`).catch(() => null), [machine]);
  const [namespace, setNamespace] = useState("root/cimv2");
  const [text, setText] = useState(examples[0][1]);
  const [sent, setSent] = useState(text);
  const box = useRef(null);
  const words = useWords(machine, namespace, text, box);
  const pages = usePages((cursor) => queryWmi(cursor ? { namespace, cursor } : { namespace, query: text }, machine), null);
  const run = (event) => {
    event?.preventDefault();
    words.close();
    setSent(text);
    pages.begin();
  };
  const keys = (event) => {
    if (words.keys(event, setText)) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(event);
  };
  return html`
    <${Heading} detail="WQL: SELECT, ASSOCIATORS OF and REFERENCES OF. Ctrl+Enter runs the query.">Query<//>
    <form onSubmit=${run}>
      <label>Namespace<select value=${namespace} onChange=${(event) => setNamespace(event.target.value)}>
        ${(namespaces.data?.value.namespaces ?? [namespace]).map((name) => html`<option selected=${name === namespace}>${name}</option>`)}
      </select></label>
      <div class="field">
        <label for="query">Query</label>
        <textarea id="query" ref=${box} rows="3" spellcheck="false" maxlength="16000" value=${text} aria-autocomplete="list" aria-haspopup="listbox" aria-controls="words" aria-activedescendant=${words.list.length ? `word-${words.at}` : undefined}
          onInput=${(event) => { setText(event.target.value); words.open(); }} onKeyDown=${keys} onBlur=${words.close}></textarea>
        <ul id="words" class="words" role="listbox" aria-label="Completion" hidden=${!words.list.length}>
          ${words.list.map((word, at) => html`<li id=${`word-${at}`} role="option" aria-selected=${at === words.at} onMouseDown=${(event) => { event.preventDefault(); words.choose(word, setText); }}>${word}</li>`)}
        </ul>
      </div>
      <p class="buttons"><button class="primary" disabled=${pages.isBusy}>${pages.isBusy ? "Running…" : "Run"}</button>
        ${examples.map(([label, query]) => html` <button type="button" title=${query} onClick=${() => setText(query)}>Example: ${label}</button>`)}</p>
    </form>
    ${pages.error && html`<${Position} text=${sent} error=${pages.error} />`}
    ${pages.page && html`<p class="quiet" role="status">${pages.rows.length}${pages.page.next ? " or more" : ""} rows</p>
      <${Rows} machine=${machine} namespace=${pages.page.namespace} rows=${pages.rows} properties=${pages.page.properties} caption="Rows" />
      <${More} page=${pages.page} isBusy=${pages.isBusy} more=${pages.more} />`}`;
}

/** Completion of the name before the cursor: classes after FROM, otherwise properties of the class of the query. */
function useWords(machine, namespace, text, box) {
  const classes = useData(() => get(`${resourceOf(namespace, machine)}/classes`).catch(() => null), [machine, namespace]);
  const names = (classes.data?.value.classes ?? []).map((one) => one.name);
  const from = /\bFROM\s+([A-Za-z_]\w*)/i.exec(text)?.[1]?.toLowerCase();
  const known = names.find((name) => name.toLowerCase() === from);
  const properties = useData(async () => (known ? get(`${resourceOf(namespace, machine)}/classes/${part(known)}`).catch(() => null) : null), [machine, namespace, known]);
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const before = text.slice(0, box.current?.selectionStart ?? text.length);
  const word = /[A-Za-z_]\w*$/.exec(before)?.[0] ?? "";
  const isClass = /\b(FROM|ISA|OF)\s+["'{]?\w*$/i.test(before);
  const source = isClass ? names : (properties.data?.value.properties ?? []).map((one) => one.name);
  const lower = word.toLowerCase();
  const start = (name) => name.toLowerCase().startsWith(lower);
  const list = isOpen && word.length > (isClass ? 2 : 0)
    ? [...source.filter(start), ...source.filter((name) => isClass && !start(name) && name.toLowerCase().includes(lower))].filter((name) => name !== word).slice(0, 8)
    : [];
  const choose = (name, set) => {
    const rest = text.slice(before.length);
    const head = before.slice(0, before.length - word.length) + name;
    set(head + rest);
    setOpen(false);
    requestAnimationFrame(() => box.current?.setSelectionRange(head.length, head.length));
  };
  const keys = (event, set) => {
    if (!list.length) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((old) => (old + step + list.length) % list.length);
    else if (event.key === "Escape") setOpen(false);
    else if ((event.key === "Enter" && !event.ctrlKey) || (event.key === "Tab" && !event.shiftKey)) choose(list[Math.min(at, list.length - 1)], set);
    else return false;
    event.preventDefault();
    return true;
  };
  return { list, at: Math.min(at, Math.max(list.length - 1, 0)), choose, keys, open: () => { setOpen(true); setAt(0); }, close: () => setOpen(false) };
}
