// The IIS of another machine: its sites and application pools, which can be started and stopped.
import { useEffect } from "preact/hooks";
import { get } from "./api.js";
import { Problems, confirm } from "./changes.js";
import { change } from "./elevation.js";
import { stateBadge } from "./pools.js";
import { Heading, Link, Problem, Table, Waiting, go, html, useData } from "./router.js";
import { siteUrl } from "./sites.js";
import { actions, notice } from "./state.js";

/** Returns an address with its options. */
const shown = ({ address, tls, http2 }) => [address, tls && "TLS", http2 && "HTTP/2"].filter(Boolean).join(" ");

/** Changes the state of a site or a pool: `object` is its path below the machine, and `name` its name. */
async function control(machine, object, name, action, reload) {
  try {
    const { value } = await change("POST", `/machines/${machine.id}/iis/${object}/actions/${action}`);
    notice.value = { kind: "ok", text: action === "recycle" ? `${name} was recycled.` : `${name} is ${value.state}.` };
  } catch (failure) {
    notice.value = { kind: "error", text: failure.message };
  }
  reload();
}

export function RemoteIis({ machine }) {
  const resource = `/machines/${machine.id}/iis`;
  const { data, error, reload } = useData(() => get(resource), [machine.id]);
  const base = `/machines/${machine.id}/web`;
  useEffect(() => {
    if (data) actions.value = [{ label: "Add site", kind: "primary", run: () => go(`${base}/new-site`) }, { label: "History", run: () => go(`${base}/history`) }, { label: "Read again", run: reload }];
  }, [data]);
  const title = html`<${Heading} detail="Sites and application pools of IIS, read through WMI (root/WebAdministration).">Web server of ${machine.name}<//>`;
  if (!data) return html`${title}<${Waiting} error=${error} />`;
  const { sites, pools, problems } = data.value;
  const site = ({ id }, action) => control(machine, `sites/${encodeURIComponent(id)}`, id, action, reload);
  const pool = ({ name }, action) => control(machine, `pools/${encodeURIComponent(name)}`, name, action, reload);
  const stopSite = (one) => confirm(`Stop the site ${one.id}?`, "It answers no requests until it is started again, also after the next start of the machine.", "Stop", () => site(one, "stop"));
  const stopPool = (one) => confirm(`Stop the pool ${one.name}?`, `Requests for its applications are answered with status 503: ${one.applications.join(", ") || "none"}.`, "Stop", () => pool(one, "stop"));
  return html`${title}
    <${Problem} error=${error} />
    ${problems.length > 0 && html`<h2>Problems</h2><${Problems} list=${problems} />`}
    <h2>Sites</h2>
    <${Table} caption="Sites" rows=${sites} empty="There is no site." columns=${[
      ["Site", (one) => html`<${Link} to=${siteUrl(one.id, machine.id)}>${one.id}<//>`],
      ["State", stateBadge],
      ["Addresses", (one) => [...one.listeners.map(shown), ...one.unsupported].join(", ")],
      ["Names", (one) => one.names.join(", ") || "any"],
      ["Folder", (one) => html`<code class="break">${one.root ?? ""}</code>`],
      ["", (one) => (one.state === "started"
        ? html`<button class="danger" aria-label=${`Stop ${one.id}`} onClick=${() => stopSite(one)}>Stop…</button>`
        : html`<button aria-label=${`Start ${one.id}`} onClick=${() => site(one, "start")}>Start</button>`)],
    ]} />
    <h2>Application pools</h2>
    <${Table} caption="Application pools" rows=${pools} empty="There is no application pool." columns=${[
      ["Pool", (one) => html`<strong>${one.name}</strong>`],
      ["State", stateBadge],
      ["Start", (one) => (one.auto_start ? "automatic" : "manual")],
      ["Runtime", (one) => one.runtime || "no managed code"],
      ["Applications", (one) => one.applications.join(", ")],
      ["", (one) => (one.state === "started"
        ? html`<span class="buttons"><button aria-label=${`Recycle ${one.name}`} onClick=${() => pool(one, "recycle")}>Recycle</button> <button class="danger" aria-label=${`Stop ${one.name}`} onClick=${() => stopPool(one)}>Stop…</button></span>`
        : html`<button aria-label=${`Start ${one.name}`} onClick=${() => pool(one, "start")}>Start</button>`)],
    ]} />`;
}
