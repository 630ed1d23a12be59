// Deployments of archives to a site, and rollbacks.
import { useState } from "preact/hooks";
import { get, send } from "./api.js";
import { Proposal } from "./changes.js";
import { Heading, Link, Problem, Table, Waiting, bytes, html, time, useData } from "./router.js";
import { dialog, hasRole, notice } from "./state.js";

/** Size of the pieces of an upload in bytes. */
const PIECE = 1 << 20;

/** Uploads a file in pieces, and returns the identifier of the upload. */
async function upload(siteUrl, file, showProgress) {
  const { value } = await send("POST", `${siteUrl}/uploads`, { body: {} });
  if (file.size > value.limit) throw new Error(`The archive has ${bytes(file.size)}; the limit is ${bytes(value.limit)}.`);
  const resource = `${siteUrl}/uploads/${value.upload}`;
  for (let offset = 0; offset < file.size; offset += PIECE) {
    showProgress(offset / file.size);
    await send("PUT", resource, { bytes: file.slice(offset, offset + PIECE), query: { offset } });
  }
  return value.upload;
}

/** Shows the effect of a deployment or rollback, and makes it when the user confirms with the button `label`. */
async function preview(title, label, resource, body, reload) {
  const { value, tag } = await send("POST", resource, { body, query: { dry_run: true } });
  dialog.value = html`<${Preview} title=${title} label=${label} plan=${value} request=${{ resource, body, tag }} reload=${reload} />`;
}

function Preview({ title, label, plan, request, reload }) {
  const { changes, total_changes: total } = plan;
  const apply = async (message) => {
    const { resource, body, tag } = request;
    const { value } = await send("POST", resource, { body, tag, query: { message } });
    await reload();
    dialog.value = null;
    const { number, added, changed, removed } = value.deployment;
    notice.value = { kind: "ok", text: `Deployment ${number}: ${added} added, ${changed} changed, ${removed} removed` };
  };
  return html`<${Proposal} title=${title} label=${label} busyLabel="Replacing the content…" canApply=${total > 0} apply=${apply}>
    ${total === 0
      ? html`<p>The site has this content already.</p>`
      : html`<${Table} caption="Changes" rows=${changes} columns=${[
          ["File", (change) => html`<code class="break">${change.path}</code>`],
          ["Change", (change) => change.kind],
          ["Before", (change) => (change.size_before === null ? "–" : bytes(change.size_before)), true],
          ["After", (change) => (change.size_after === null ? "–" : bytes(change.size_after)), true],
        ]} />`}
    ${total > changes.length && html`<p class="quiet">The first ${changes.length} of ${total} changes.</p>`}
  <//>`;
}

function NewDeployment({ siteUrl, reload }) {
  const [progress, setProgress] = useState(null);
  const [failure, setFailure] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const file = form.get("archive");
    try {
      setFailure(null);
      setProgress(0);
      const body = { upload: await upload(siteUrl, file, setProgress), mode: form.get("mode") };
      setProgress(1);
      await preview(`Deploy ${file.name}`, "Deploy", `${siteUrl}/deployments`, body, reload);
    } catch (problem) {
      setFailure(problem);
    }
    setProgress(null);
  };
  return html`<form class="fields" onSubmit=${submit}>
    <label>Archive<input type="file" name="archive" accept=".zip,.tar,.gz,.tgz" required /></label>
    <label>Other files of the site<select name="mode"><option value="replace">remove them</option><option value="add">keep them</option></select></label>
    <${Problem} error=${failure} />
    <p class="buttons"><button class="primary" disabled=${progress !== null}>${progress === null ? "Upload and preview" : progress < 1 ? `Uploading, ${Math.round(progress * 100)} %…` : "Comparing…"}</button></p>
  </form>`;
}

export function Deployments({ id }) {
  const siteUrl = `/web/sites/${encodeURIComponent(id)}`;
  const { data, error, reload } = useData(() => get(`${siteUrl}/deployments`));
  const [failure, setFailure] = useState(null);
  const heading = html`<${Heading} detail=${html`Content of <${Link} to=${siteUrl}>${id}<//>`}>Deployments<//>`;
  if (!data) return html`${heading}<${Waiting} error=${error} />`;
  const rollback = async ({ number }) => {
    try {
      setFailure(null);
      await preview(`Restore the content before deployment ${number}`, "Restore", `${siteUrl}/deployments/${number}/rollback`, {}, reload);
    } catch (problem) {
      setFailure(problem);
    }
  };
  return html`
    ${heading}
    <p>An archive replaces the files in <code>${data.value.folder}</code> in one step. Clients receive either the old or the new content.${hasRole("administrator") && html` Other users need a <${Link} to="/management/deployment-rules">deployment rule<//>.`}</p>
    <${NewDeployment} siteUrl=${siteUrl} reload=${reload} />
    <h2>History</h2>
    <${Problem} error=${failure} />
    <${Table} caption="Deployments" rows=${data.value.deployments} empty="Nothing was deployed yet." columns=${[
      ["Number", (row) => row.number, true],
      ["Time", (row) => time(row.time)],
      ["By", (row) => row.author],
      ["Reason", (row) => row.message],
      ["Kind", (row) => (row.kind === "rollback" ? `restored what was before ${row.restored_before}` : "archive")],
      ["Files", (row) => `+${row.added} ~${row.changed} −${row.removed}`],
      ["", (row) => row.is_restorable && html`<button onClick=${() => rollback(row)} aria-label=${`Restore the content before deployment ${row.number}`}>Restore before</button>`],
    ]} />`;
}
