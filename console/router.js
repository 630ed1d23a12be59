// Pages by path, links, and data that pages load.
import { h } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { actions, leaving, menuOpen, notice, path, unsaved, writes } from "./state.js";

export const html = htm.bind(h);

/** Runs a function that leaves the page. If a form has unsaved changes, the user must confirm it first. */
export function leave(run) {
  if (!unsaved.value) {
    run();
    return;
  }
  leaving.value = () => {
    unsaved.value = false;
    return run();
  };
}

/** Shows the page of a path, and moves the focus to its heading. */
export function go(target) {
  if (target === path.value) show();
  else leave(() => open(target));
}

function open(target) {
  if (target !== location.pathname) history.pushState(null, "", target);
  show();
}

function show() {
  menuOpen.value = false;
  // Also after the link to the content, which keeps the page with its actions.
  if (path.value === location.pathname) return;
  path.value = location.pathname;
  actions.value = [];
  writes.value = "";
  notice.value = null;
}

window.addEventListener("popstate", () => {
  const target = location.pathname;
  if (!unsaved.value || target === path.value) {
    show();
    return;
  }
  // The address of the page with the changes stays until the user confirms.
  history.pushState(null, "", path.value);
  leave(() => open(target));
});

/** A link inside the console. */
export function Link({ to, children, ...rest }) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return html`<a href=${to} onClick=${follow} ...${rest}>${children}</a>`;
}

/** Runs a function again and again while the page is visible, each time `every` milliseconds after its end. Returns a function that ends this. */
export function repeat(run, every) {
  let isCurrent = true;
  let timer = 0;
  const next = async () => {
    if (!document.hidden) await run();
    if (isCurrent) timer = setTimeout(next, every);
  };
  timer = setTimeout(next, every);
  return () => {
    isCurrent = false;
    clearTimeout(timer);
  };
}

/**
 * Loads data and returns `{data, error, reload}`; `data` stays while it is loaded again.
 * `every` repeats the load in milliseconds while the window is visible. `reload` returns a promise of the end of the load.
 */
export function useData(load, inputs = [], every = 0) {
  const [state, setState] = useState({});
  const [round, setRound] = useState(0);
  const waiting = useRef([]);
  const finish = () => waiting.current.splice(0).forEach((resolve) => resolve());
  useEffect(() => finish, []);
  useEffect(() => {
    let isCurrent = true;
    const run = async () => {
      try {
        const data = await load();
        if (isCurrent) setState({ data });
      } catch (error) {
        if (isCurrent) setState((old) => ({ data: old.data, error }));
      }
      if (isCurrent) finish();
    };
    let stop = () => {};
    run().then(() => {
      if (isCurrent && every) stop = repeat(run, every);
    });
    return () => {
      isCurrent = false;
      stop();
    };
  }, [...inputs, round]);
  const reload = () => new Promise((resolve) => {
    waiting.current.push(resolve);
    setRound((number) => number + 1);
  });
  return { ...state, reload };
}

/** The heading of a page, with the focus after navigation. */
export function Heading({ children, detail }) {
  const focus = (element) => {
    if (element && element.dataset.path !== path.value) {
      element.dataset.path = path.value;
      element.focus({ preventScroll: true });
    }
  };
  return html`<header class="heading">
    <h1 tabindex="-1" ref=${focus}>${children}</h1>
    ${detail && html`<p>${detail}</p>`}
  </header>`;
}

/** Failure of a load or a change, with the positions that the server names. */
export function Problem({ error }) {
  if (!error) return null;
  const { locations = [], validation } = error.problem ?? {};
  return html`<div class="problem" role="alert">
    <p>${error.message}</p>
    ${locations.map(({ file, line }) => html`<p><code>${file}:${line}</code></p>`)}
    ${validation?.output && html`<pre tabindex="0" role="region" aria-label="Output of the validator">${validation.output}</pre>`}
  </div>`;
}

/** A load that has not finished: the failure, or a notice. */
export function Waiting({ error }) {
  return error ? html`<${Problem} error=${error} />` : html`<p class="quiet" role="status">Loading…</p>`;
}

/**
 * A table: `columns` are `[label, cell(row), isNumber]`. In a narrow window each row is a list of its cells; the roles
 * remain those of a table.
 */
export function Table({ caption, columns, rows, empty }) {
  if (!rows.length) return html`<p class="quiet">${empty ?? "Nothing here yet."}</p>`;
  const kind = (isNumber) => (isNumber ? "number" : "");
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}>
    <table role="table">
      <caption class="hidden">${caption}</caption>
      <thead role="rowgroup"><tr role="row">${columns.map(([label, , isNumber]) => html`<th role="columnheader" scope="col" class=${kind(isNumber)}>${label || html`<span class="hidden">Actions</span>`}</th>`)}</tr></thead>
      <tbody role="rowgroup">
        ${rows.map((row) => html`<tr role="row">${columns.map(([label, cell, isNumber]) => html`<td role="cell" data-label=${label} class=${kind(isNumber)}>${cell(row)}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/** Returns a number of bytes with a unit. */
export function bytes(number) {
  let [value, unit] = [number ?? 0, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Returns a time in the user's own format. */
export function time(value) {
  return new Date(typeof value === "number" ? value * 1000 : value).toLocaleString();
}

/** Returns a number of seconds for people. */
export function timeSpan(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}
