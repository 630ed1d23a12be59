// The management service itself: users, API keys, sessions and audit.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Heading, Problem, Table, Waiting, html, time, useData } from "./router.js";
import { actions, dialog, notice, session } from "./state.js";

/** A dialog with a form; `run` receives its data. */
function ask(title, fields, label, run) {
  dialog.value = html`<${Ask} title=${title} fields=${fields} label=${label} run=${run} />`;
}

function Ask({ title, fields, label, run }) {
  const [error, setError] = useState(null);
  const own = dialog.value;
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    try {
      await run(form);
      if (dialog.value === own) dialog.value = null;
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">${title}</h2>
    ${fields}
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary">${label}</button> <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </form>`;
}

/** Makes a change from a button, and reports its result in the status bar. */
async function act(text, run, reload) {
  try {
    await run();
    notice.value = { kind: "ok", text };
  } catch (failure) {
    notice.value = { kind: "error", text: failure.message };
  }
  reload();
}

const roles = ["delegated", "viewer", "operator", "administrator"];

const userResource = (name) => `/management/users/${encodeURIComponent(name)}`;

export function Users() {
  const { data, error, reload } = useData(() => get("/management/users"));
  useEffect(() => {
    actions.value = [
      {
        label: "Add user",
        kind: "primary",
        run: () => ask("Add user", html`
          <label>User name<input name="name" required autofocus /></label>
          <label>Password<input name="password" type="password" autocomplete="new-password" required /></label>
          <label>Role<select name="role">${roles.map((role) => html`<option>${role}</option>`)}</select></label>
          <label>Comment<input name="comment" maxlength="200" /></label>`, "Add", async (form) => {
          await change("POST", "/management/users", { body: Object.fromEntries(form) });
          reload();
        }),
      },
    ];
  }, []);
  if (!data) return html`<${Waiting} error=${error} />`;
  const edit = (user) => ask(`Change ${user.name}`, html`
      <label>New password<input name="password" type="password" autocomplete="new-password" placeholder="unchanged" /></label>
      <label>Role<select name="role" value=${user.role}>${roles.map((role) => html`<option selected=${role === user.role}>${role}</option>`)}</select></label>
      <label class="check"><input type="checkbox" name="enabled" checked=${user.enabled} />May sign in</label>
      <div class="field">
        <label for="scopes">Sites</label>
        <textarea id="scopes" name="scopes" rows="3" aria-describedby="scopes-help">${user.scopes.join("\n")}</textarea>
        <small id="scopes-help">One per line: /SITE or /SITE/APPLICATION; terminal permits a shell</small>
      </div>`,
    "Change", async (form) => {
      const scopes = form.get("scopes").split("\n").map((line) => line.trim()).filter(Boolean);
      for (const scope of scopes.filter((scope) => !user.scopes.includes(scope))) await change("POST", "/management/permissions", { body: { user: user.name, scope } });
      for (const scope of user.scopes.filter((scope) => !scopes.includes(scope))) await change("DELETE", "/management/permissions", { query: { user: user.name, scope } });
      const body = {};
      if (form.get("password")) body.password = form.get("password");
      if (form.get("role") !== user.role) body.role = form.get("role");
      if (form.has("enabled") !== user.enabled) body.enabled = form.has("enabled");
      if (Object.keys(body).length) await change("PATCH", userResource(user.name), { body });
      reload();
    });
  const remove = (user) => confirm(`Delete ${user.name}?`, "The user's permissions, API keys and sessions are deleted, too.", "Delete", async () => {
    await change("DELETE", userResource(user.name));
    reload();
  });
  return html`
    <${Heading} detail="Manager users exist only here, not in the operating system.">Users and permissions<//>
    <${Problem} error=${error} />
    <${Table} caption="Users" rows=${data.value.users} columns=${[
      ["Name", (user) => user.name],
      ["Role", (user) => user.role],
      ["State", (user) => html`<span class=${user.enabled ? "badge ok" : "badge"}>${user.enabled ? "enabled" : "disabled"}</span>`],
      ["Sites", (user) => (user.role === "administrator" ? "all" : user.scopes.join(", ") || "none")],
      ["Comment", (user) => user.comment],
      ["", (user) => html`<span class="buttons"><button onClick=${() => edit(user)} aria-label=${`Change ${user.name}`}>Change</button>${user.name !== session.value.username && html`<button class="danger" onClick=${() => remove(user)} aria-label=${`Delete ${user.name}`}>Delete</button>`}</span>`],
    ]} />`;
}

export function Keys() {
  const { data, error, reload } = useData(() => get("/management/api-keys"));
  const [created, setCreated] = useState(null);
  useEffect(() => {
    actions.value = [
      {
        label: "Create API key",
        kind: "primary",
        run: () => ask("Create API key", html`
          <label>Purpose<input name="purpose" required maxlength="200" autofocus /></label>
          <label>Valid for days<input name="days" type="number" min="1" max="366" value="90" required /></label>
          <label class="check"><input type="checkbox" name="read_only" checked />Read only</label>`, "Create", async (form) => {
          const body = { purpose: form.get("purpose"), days: Number(form.get("days")), read_only: form.has("read_only") };
          setCreated((await change("POST", "/management/api-keys", { body })).value);
          reload();
        }),
      },
    ];
  }, []);
  if (!data) return html`<${Waiting} error=${error} />`;
  const remove = (key) => confirm("Delete the API key?", `Programs that use it (${key.purpose}) lose access.`, "Delete", async () => {
    await change("DELETE", `/management/api-keys/${key.id}`);
    reload();
  });
  return html`
    <${Heading} detail="For programs: Authorization: Bearer KEY. A key has the rights of its owner.">API keys<//>
    <${Problem} error=${error} />
    ${created && html`<div class="ok" role="status"><p>The new key is shown only now:</p><pre tabindex="0" class="break" role="region" aria-label="New API key">${created.token}</pre></div>`}
    <${Table} caption="API keys" rows=${data.value.api_keys} empty="There is no API key." columns=${[
      ["Purpose", (key) => key.purpose],
      ["Owner", (key) => key.owner],
      ["Access", (key) => (key.read_only ? "read" : "read and write")],
      ["Expires", (key) => time(key.expires)],
      ["Last used", (key) => (key.last_used ? time(key.last_used) : "–")],
      ["", (key) => html`<button class="danger" onClick=${() => remove(key)} aria-label=${`Delete ${key.purpose}`}>Delete</button>`],
    ]} />`;
}

export function Sessions() {
  const { data, error, reload } = useData(() => get("/management/sessions"), [], 10000);
  if (!data) return html`<${Waiting} error=${error} />`;
  const end = ({ id, user }) => act(`The session of ${user} has ended.`, () => change("DELETE", `/management/sessions/${id}`), reload);
  return html`
    <${Heading} detail="A session ends after 15 minutes without a request.">Sessions<//>
    <${Problem} error=${error} />
    <${Table} caption="Sessions" rows=${data.value.sessions} columns=${[
      ["User", (row) => row.user],
      ["From", (row) => row.from],
      ["Since", (row) => time(row.since)],
      ["", (row) => (row.is_own ? "this session" : html`<button class="danger" onClick=${() => end(row)} aria-label=${`End the session of ${row.user}`}>End</button>`)],
    ]} />`;
}

/** Returns a text with the beginning of each revision only. */
const shortRevisions = (text) => text.replace(/\b([0-9a-f]{12})[0-9a-f]{52}\b/g, "$1…");

export function Audit() {
  const [before, setBefore] = useState(undefined);
  const { data, error } = useData(() => get("/management/audit", { before, limit: 50 }), [before], before ? 0 : 10000);
  if (!data) return html`<${Waiting} error=${error} />`;
  const kinds = { done: "ok", denied: "error", failed: "error" };
  return html`
    <${Heading} detail="Changes and refused requests since the service was started. The file has all records.">Audit<//>
    <${Problem} error=${error} />
    <${Table} caption="Audit" rows=${data.value.records} columns=${[
      ["Time", (record) => time(record.time)],
      ["User", (record) => record.user || "–"],
      ["From", (record) => record.from],
      ["Request", (record) => html`<code>${record.action} ${record.object}</code>`],
      ["Result", (record) => html`<span class=${`badge ${kinds[record.result]}`}>${record.result}</span>`],
      ["Detail", (record) => html`<span title=${record.detail}>${shortRevisions(record.detail)}</span>`],
    ]} />
    <p class="buttons">
      ${before && html`<button onClick=${() => setBefore(undefined)}>Newest</button>`}
      ${data.value.next_before && html`<button onClick=${() => setBefore(data.value.next_before)}>Older</button>`}
    </p>`;
}
