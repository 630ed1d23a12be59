// Pools of back-end servers, and the units of systemd that run them.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "./api.js";
import { confirm, preview } from "./changes.js";
import { Form } from "./form.js";
import { Heading, Link, Problem, Table, Waiting, bytes, go, html, useData } from "./router.js";
import { actions, hasRole, notice, writes } from "./state.js";
import { check, number, object, rows, text, without } from "./values.js";

export const poolUrl = (name) => `/web/pools/${encodeURIComponent(name)}`;

const members = rows("Servers", "server", object(
  ["address", text("Address", { required: true, placeholder: "127.0.0.1:8080", help: "127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock" })],
  ["weight", number("Weight", { min: 1, max: 65535 })],
  ["backup", check("Backup")],
  ["down", check("Down")],
), { help: "A backup server receives requests while the others are unavailable, and one that is down receives none", minimum: 1 });

const unit = text("Unit of systemd", { placeholder: "php8.2-fpm.service", help: "Runs the servers on this machine, so that they can be started, stopped and recycled here. Empty if they run elsewhere" });

const newPool = object(["pool", text("Name of the pool", { required: true, placeholder: "backend", help: "Letters, digits, hyphens, underscores and dots" })], ["members", members], ["unit", unit]);
const poolFields = object(["members", members], ["unit", unit]);

/** Names of the fields that the web server does not support. */
const unsupported = (web) => (web.info.capabilities.pool_units ? [] : ["unit"]);

function serverText({ address, weight, backup, down }) {
  return [address, weight && `weight ${weight}`, backup && "backup", down && "down"].filter(Boolean).join(" ");
}

const kinds = { started: "ok", stopped: "error" };

/** Shows the state of a site, a pool or a unit. */
export const stateBadge = ({ state }) => html`<span class=${`badge ${kinds[state] ?? "warn"}`}>${state}</span>`;

/** Starts, stops or recycles the unit of a pool. */
async function control(name, action, reload) {
  try {
    const { value } = await send("POST", `${poolUrl(name)}/actions/${action}`);
    notice.value = { kind: "ok", text: action === "recycle" ? `${value.unit} was recycled.` : `${value.unit} is ${value.state}.` };
  } catch (failure) {
    notice.value = { kind: "error", text: failure.message };
  }
  reload();
}

export function Pools() {
  const { data, error } = useData(() => get("/web/pools"), [], 10000);
  useEffect(() => {
    if (hasRole("administrator")) actions.value = [{ label: "Add pool", kind: "primary", run: () => go("/web/new-pool") }];
  }, []);
  if (!data) return html`<${Heading}>Pools<//><${Waiting} error=${error} />`;
  const { pools, units } = data.value;
  const unitOf = (pool) => units.find(({ unit: name }) => name === pool.unit);
  return html`
    <${Heading} detail="Groups of back-end servers, to which applications pass requests">Pools<//>
    <${Problem} error=${error} />
    <${Table} caption="Pools" rows=${pools} empty="There is no pool." columns=${[
      ["Pool", (pool) => html`<${Link} to=${poolUrl(pool.name)}>${pool.name}<//>`],
      ["Servers", (pool) => [...pool.members.map(serverText), ...pool.unsupported].join(", ")],
      ["Unit", (pool) => pool.unit ?? "external"],
      ["State", (pool) => unitOf(pool) && stateBadge(unitOf(pool))],
    ]} />`;
}

/** Returns the changes that give a pool these servers and this unit. */
function changesOf(pool, value, before) {
  const changes = [{ change: "put-pool", pool, members: value.members }];
  const wanted = value.unit || null;
  if ("unit" in value && wanted !== (before?.unit ?? null)) changes.push({ change: "set-pool-unit", pool, unit: wanted });
  return changes;
}

export function NewPool() {
  const web = useData(() => get("/web"));
  if (!web.data) return html`<${Waiting} error=${web.error} />`;
  const submit = async ({ pool, ...value }) => {
    const { tag } = await get("/web");
    const request = { method: "POST", resource: "/web/changes", body: { changes: changesOf(pool, value, null) }, tag };
    await preview(`Create the pool ${pool}`, request, { done: () => go(poolUrl(pool)) });
  };
  return html`
    <${Heading} detail="The next step shows the new file before anything is written.">Add pool<//>
    <${Form} field=${without(newPool, unsupported(web.data.value))} value=${{ members: [{ address: "" }] }} label="Preview" submit=${submit} cancel=${() => go("/web/pools")} />`;
}

export function Pool({ name }) {
  const web = useData(() => get("/web"), [name]);
  const { data, error, reload } = useData(() => get("/web/pools"), [name]);
  const [failure, setFailure] = useState(null);
  const pool = data?.value.pools.find((one) => one.name === name);
  const state = data?.value.units.find(({ unit: one }) => one === pool?.unit);
  const reloadAll = () => {
    reload();
    web.reload();
  };
  useEffect(() => {
    if (!pool || !web.data) return;
    writes.value = `Writes to ${pool.position.file}:${pool.position.line}, applies by reload`;
    const remove = async () => {
      try {
        setFailure(null);
        const body = { changes: [{ change: "delete-pool", pool: name }] };
        await preview(`Delete the pool ${name}`, { method: "POST", resource: "/web/changes", body, tag: web.data.tag }, { done: () => go("/web/pools") });
      } catch (problem) {
        setFailure(problem);
      }
    };
    const run = (action) => () => control(name, action, reload);
    const ofUnit = !state || !hasRole("operator") ? [] : state.state === "started"
      ? [{ label: "Recycle", run: run("recycle") }, { label: "Stop…", kind: "danger", run: () => confirm(`Stop ${state.unit}?`, `The applications of the pool ${name} do not answer until it is started again.`, "Stop", run("stop")) }]
      : [{ label: "Start", kind: "primary", run: run("start") }];
    actions.value = [...ofUnit, ...(hasRole("administrator") ? [{ label: "Delete pool", kind: "danger", run: remove }] : [])];
  }, [data, web.data]);
  if (!data || !web.data) return html`<${Waiting} error=${error ?? web.error} />`;
  if (!pool) return html`<${Heading}>${name}<//><p>There is no pool <code>${name}</code>. <${Link} to="/web/pools">Pools<//></p>`;
  const submit = async (value, { isRepeated }) => {
    const tag = isRepeated ? (await get("/web")).tag : web.data.tag;
    const body = { changes: changesOf(name, value, pool) };
    await preview(`Change the pool ${name}`, { method: "POST", resource: "/web/changes", body, tag }, { reload: reloadAll });
  };
  return html`
    <p class="links"><${Link} to="/web/pools">Pools<//></p>
    <${Heading} detail=${html`in <code>${pool.position.file}:${pool.position.line}</code>`}>${name}<//>
    <${Problem} error=${failure} />
    ${pool.unsupported.length > 0 && html`<p class="warning">Only the file itself can change, and a change of the servers removes: ${pool.unsupported.join(", ")}</p>`}
    ${state && html`<h2>Unit</h2><p><code>${state.unit}</code> ${stateBadge(state)} ${state.process && `process ${state.process}`} ${state.memory && `, ${bytes(state.memory)} of memory`}${state.state === "unknown" ? " The unit does not exist, or systemd does not run." : ""}</p>`}
    <h2>Servers and unit</h2>
    <${Form} key=${web.data.tag} field=${without(poolFields, unsupported(web.data.value))} value=${pool} isReadOnly=${!hasRole("administrator")} label="Preview changes" submit=${submit} />`;
}
