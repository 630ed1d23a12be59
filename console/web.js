// The web server: state, history and logs.
import { useEffect, useState } from "preact/hooks";
import { follow, get, pathOf, send } from "./api.js";
import { Diff, Problems, confirm, preview } from "./changes.js";
import { Heading, Link, Problem, Table, Waiting, bytes, go, html, time, useData } from "./router.js";
import { actions, hasRole, notice, writes } from "./state.js";

async function control(action, reload) {
  try {
    const { value } = await send("POST", `/web/actions/${action}`);
    notice.value = { kind: "ok", text: `The web server is ${value.state}.` };
  } catch (failure) {
    notice.value = { kind: "error", text: failure.message };
  }
  reload();
}

/** Requests per second of the last minute, which the server counts in its logs. */
function RequestRates() {
  const { data, error } = useData(() => get("/web/request-rates"), [], 10000);
  if (!data) return html`<h2>Requests</h2><${Waiting} error=${error} />`;
  return html`<h2>Requests</h2>
    <${Problem} error=${error} />
    <${Table} caption="Requests" rows=${data.value.rates} empty="No log of requests has times that this page can read." columns=${[
      ["Sites", ({ sites }) => (sites.length ? sites.map((id) => html`<${Link} to=${`/web/sites/${encodeURIComponent(id)}`}>${id}<//> `) : "whole server")],
      ["Requests per second, last minute", ({ per_second }) => per_second.toFixed(per_second < 10 ? 2 : 0), true],
      ["Log", ({ log }) => html`<code class="break">${log}</code>`],
    ]} />`;
}

export function WebServer() {
  const { data, error, reload } = useData(() => get("/web"), [], 5000);
  useEffect(() => {
    if (!data || !hasRole("operator")) return;
    const isRunning = data.value.status.state === "running";
    const { operations } = data.value.info.capabilities;
    const all = isRunning
      ? [
          { name: "reload", label: "Reload", run: () => control("reload", reload) },
          { name: "reopen-logs", label: "Reopen logs", run: () => control("reopen-logs", reload) },
          { name: "stop", label: "Stop", kind: "danger", run: () => confirm("Stop the web server?", "All sites stop answering until it is started again.", "Stop", () => control("stop", reload)) },
        ]
      : [{ name: "start", label: "Start", kind: "primary", run: () => control("start", reload) }];
    actions.value = all.filter(({ name }) => operations.includes(name));
  }, [data]);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { info, status, revision, problems = [], files = [] } = data.value;
  writes.value = `Configuration: ${info.configuration}`;
  return html`
    <${Heading} detail=${info.configuration}>${info.product} ${info.version}<//>
    <${Problem} error=${error} />
    <p><span class=${status.state === "running" ? "badge ok" : "badge error"}>${status.state}</span>
      ${status.pid && ` process ${status.pid}`} <span class="quiet">revision ${revision.slice(0, 12)}</span></p>
    <p class="links"><${Link} to="/web/sites">Sites<//> <${Link} to="/web/pools">Pools<//> <${Link} to="/web/certificates">Certificates<//> <${Link} to="/web/history">History<//> <${Link} to="/web/logs">Logs<//></p>
    ${problems.length > 0 && html`<h2>Problems</h2><${Problems} list=${problems} />`}
    <h2>Worker processes</h2>
    <${Table} caption="Worker processes" rows=${status.workers ?? []} empty="No worker process runs." columns=${[
      ["Process", (worker) => worker.pid],
      ["Memory", (worker) => bytes(worker.memory), true],
      ["Processor time", (worker) => `${(worker.cpu_milliseconds / 1000).toFixed(1)} s`, true],
      ["State", (worker) => (worker.is_shutting_down ? "shutting down" : "serving")],
    ]} />
    ${hasRole("viewer") && html`<${RequestRates} />`}
    <h2>Configuration files</h2>
    <${Table} caption="Configuration files" rows=${files} columns=${[
      ["File", (file) => html`<code>${file.path}</code>`],
      ["Size", (file) => bytes(file.size), true],
    ]} />`;
}

function verdict({ verdict: result }) {
  const kind = { active: "ok", written: "ok", failed: "error" }[result.verdict] ?? "";
  return html`<span class=${`badge ${kind}`}>${result.verdict}</span>`;
}

/** Commits to the web server of this machine, or to the IIS of another one. */
export function History({ machine }) {
  const base = `${pathOf(machine)}/web/history`;
  const [before, setBefore] = useState(undefined);
  const { data, error } = useData(() => get(base, { before, limit: 50 }), [before]);
  if (!data) return html`<${Waiting} error=${error} />`;
  return html`
    <${Heading} detail="Every change of the configuration, also by other programs. Each can be restored.">History<//>
    <${Table} caption="History" rows=${data.value.commits} columns=${[
      ["Commit", (commit) => html`<${Link} to=${`${base}/${commit.number}`}>${commit.number}<//>`],
      ["Time", (commit) => time(commit.time)],
      ["By", (commit) => commit.author ?? "outside"],
      ["Kind", (commit) => commit.kind.kind],
      ["Reason", (commit) => commit.message],
      ["Result", verdict],
    ]} />
    <p class="buttons">
      ${before && html`<button onClick=${() => setBefore(undefined)}>Newest</button>`}
      ${data.value.next_before && html`<button onClick=${() => setBefore(data.value.next_before)}>Older</button>`}
    </p>`;
}

/** A commit with its differences, which can be restored. */
export function Commit({ number, machine }) {
  const base = `${pathOf(machine)}/web`;
  const { data, error } = useData(() => get(`${base}/history/${number}`));
  const [failure, setFailure] = useState(null);
  useEffect(() => {
    if (!data || !hasRole("administrator")) return;
    const restore = async () => {
      try {
        const { tag } = await get(base);
        await preview(`Restore commit ${number}`, { method: "POST", resource: `${base}/history/${number}/rollback`, tag }, { done: () => go(`${base}/history`) });
      } catch (problem) {
        setFailure(problem);
      }
    };
    actions.value = [{ label: "Restore this commit", run: restore }];
  }, [data]);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { commit, diffs, validator } = data.value;
  return html`
    <${Heading} detail=${`${time(commit.time)}, ${commit.author ?? "outside this service"}`}>Commit ${commit.number}<//>
    <${Problem} error=${failure} />
    <p>${commit.message} ${verdict(commit)}</p>
    ${commit.verdict.reason && html`<pre tabindex="0" role="region" aria-label="Reason of the failure">${commit.verdict.reason}</pre>`}
    ${diffs.length > 0 && html`<h2>Changed files</h2><${Diff} diffs=${diffs} />`}
    ${validator && html`<h2>Output of the validator</h2><pre tabindex="0" role="region" aria-label="Output of the validator">${validator}</pre>`}`;
}

export function Logs() {
  const { data, error } = useData(() => get("/web/logs"));
  const [file, setFile] = useState(null);
  if (!data) return html`<${Waiting} error=${error} />`;
  const { logs } = data.value;
  const chosen = file ?? logs[0]?.path;
  return html`
    <${Heading} detail="New lines appear as they are written.">Logs<//>
    ${logs.length
      ? html`<label>File<select value=${chosen} onChange=${(event) => setFile(event.target.value)}>
          ${logs.map((log) => html`<option value=${log.path}>${log.path} (${log.size === null ? "missing" : bytes(log.size)})</option>`)}
        </select></label>
        <${Lines} key=${chosen} file=${chosen} />`
      : html`<p class="quiet">The configuration names no log file.</p>`}`;
}

/** Lines of a log, followed by server-sent events. */
function Lines({ file }) {
  const [lines, setLines] = useState([]);
  const [filter, setFilter] = useState("");
  const [state, setState] = useState("Connecting…");
  useEffect(() => {
    let waiting = [];
    const flush = setInterval(() => {
      if (!waiting.length) return;
      const added = waiting;
      waiting = [];
      setLines((old) => [...old, ...added].slice(-2000));
    }, 200);
    const stop = follow("/web/logs/lines", { path: file, lines: "200" }, (source) => {
      source.onopen = () => {
        waiting = [];
        setLines([]);
        setState("Live");
      };
      source.onmessage = (event) => waiting.push(event.data);
      source.addEventListener("failure", (event) => {
        setState(event.data);
        source.close();
      });
      source.onerror = () => setState("Not connected; trying again");
    });
    return () => {
      clearInterval(flush);
      stop();
    };
  }, []);
  const shown = filter ? lines.filter((line) => line.includes(filter)) : lines;
  return html`<p class="quiet" role="status">${state}, ${shown.length} lines</p>
    <label>Filter<input value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    <pre class="log" tabindex="0" role="region" aria-label="Lines of the log">${shown.join("\n")}</pre>`;
}
