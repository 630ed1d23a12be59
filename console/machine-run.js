// Output of an operation on several machines, as it arrives.
import { useEffect, useState } from "preact/hooks";
import { follow, get, send } from "./api.js";
import { Heading, Link, Problem, html, useData } from "./router.js";
import { actions, notice } from "./state.js";
import { Rows } from "./wmi.js";

/** Returns the state of a run after an event. */
function apply(run, event) {
  if (event.kind === "begun") {
    const members = Object.fromEntries(event.machines.map((id) => [id, { state: "waiting", output: [] }]));
    return { ...run, ids: event.machines, members, operation: event.operation };
  }
  if (event.kind === "finished") return { ...run, isFinished: true, isStopped: event.is_stopped };
  const old = run.members[event.machine];
  const member = { ...old };
  if (event.kind === "started") member.state = "running";
  if (event.kind === "output") member.output = [...old.output, event];
  if (event.kind === "cut") member.isCut = true;
  if (event.kind === "rows") member.rows = event.rows;
  if (["ended", "failed", "stopped"].includes(event.kind)) Object.assign(member, { state: event.kind, code: event.exit_code, reason: event.reason });
  return { ...run, members: { ...run.members, [event.machine]: member } };
}

const empty = { ids: [], members: {}, operation: null, isFinished: false };

/** Events of a run as the server sends them. */
function useRun(id) {
  const [run, setRun] = useState(empty);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let last = -1;
    const close = follow(`/machine-runs/${id}`, {}, (source) => {
      source.onmessage = (message) => {
        // After a new connection, events could be repeated.
        if (Number(message.lastEventId) <= last) return;
        last = Number(message.lastEventId);
        const event = JSON.parse(message.data);
        setRun((old) => apply(old, event));
        if (event.kind === "finished") close();
      };
      source.addEventListener("failure", (message) => {
        setProblem(new Error(message.data));
        close();
      });
      // A run that does not exist is answered with an error, after which the browser does not connect again.
      source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) setProblem(new Error("The run does not exist any more. It ends with the session that has started it."));
      };
    });
    return close;
  }, [id]);
  return { run, problem };
}

function Outcome({ member, isFinished }) {
  const { state, code, reason } = member;
  if (state === "ended") return code === null ? html`<span class="badge ok">done</span>` : html`<span class=${`badge ${code === 0 ? "ok" : "error"}`}>exit code ${code}</span>`;
  if (state === "failed") return html`<span class="badge error">failed</span> <span class="quiet">${reason}</span>`;
  if (state === "stopped") return html`<span class="badge warn">${reason}</span>`;
  return html`<span class="badge">${state === "waiting" && isFinished ? "not started" : state}</span>`;
}

function Member({ name, id, member, isFinished }) {
  return html`<section class="member" aria-label=${name}>
    <h2><${Link} to=${`/machines/${id}`}>${name}<//> <${Outcome} member=${member} isFinished=${isFinished} /></h2>
    ${member.output.length > 0 && html`<pre tabindex="0" role="region" aria-label=${`Output of ${name}`}>${member.output.map(({ stream, text }) => (stream === "stderr" ? html`<span class="stderr">${text}</span>` : text))}</pre>`}
    ${member.isCut && html`<p class="warning">The output is longer; the rest is not shown.</p>`}
    ${member.rows && html`<${Rows} machine=${id} namespace=${member.rows.namespace} rows=${member.rows.rows} caption=${`Rows of ${name}`} />`}
    ${member.rows?.is_cut && html`<p class="warning">There are more rows.</p>`}
  </section>`;
}

export function MachineRun({ id }) {
  const { run, problem } = useRun(id);
  const machines = useData(() => get("/machines"));
  const names = Object.fromEntries((machines.data?.value.machines ?? []).map((one) => [one.id, one.name]));
  const members = run.ids.map((member) => run.members[member]);
  const done = members.filter(({ state }) => !["waiting", "running"].includes(state)).length;
  const failed = members.filter(({ state, code }) => state === "failed" || state === "stopped" || (state === "ended" && code !== null && code !== 0)).length;
  const text = run.operation?.command ?? run.operation?.query?.query ?? "";
  const stop = async () => {
    await send("DELETE", `/machine-runs/${id}`);
    notice.value = { kind: "ok", text: "The commands on all machines are being ended." };
  };
  const isRunning = run.ids.length > 0 && !run.isFinished && !problem;
  useEffect(() => {
    actions.value = isRunning ? [{ label: "Stop on all machines", kind: "danger", run: stop }] : [];
  }, [isRunning]);
  const summary = run.isFinished ? (run.isStopped ? "Stopped" : "Finished") : "Running";
  return html`
    <${Heading} detail=${text && html`<code>${text}</code>`}>Run on ${run.ids.length === 1 ? names[run.ids[0]] ?? "one machine" : `${run.ids.length} machines`}<//>
    <${Problem} error=${problem} />
    ${run.ids.length > 0 && html`<p role="status">${summary}: ${done} of ${run.ids.length} ended${failed ? `, ${failed} with problems` : ""}.</p>`}
    ${run.ids.map((member) => html`<${Member} key=${member} id=${member} name=${names[member] ?? (machines.data ? "a removed machine" : "…")} member=${run.members[member]} isFinished=${run.isFinished} />`)}
    <p><${Link} to="/machines">All machines<//></p>`;
}
