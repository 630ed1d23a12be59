// Other machines: the list, connections with the user's own credentials, and operations on several machines.
import { useEffect, useState } from "preact/hooks";
import { followAgain, get, send } from "./api.js";
import { change } from "./elevation.js";
import { Heading, Link, Problem, Table, Waiting, go, html, time, useData } from "./router.js";
import { actions, dialog, machineStates, notice } from "./state.js";

/** Label and kind of the badge for each state. */
const states = {
  "not-connected": ["not connected", ""],
  reachable: ["reachable", "ok"],
  unreachable: ["unreachable", "error"],
  untrusted: ["certificate not trusted", "warn"],
  rejected: ["sign-in rejected", "error"],
};

export function StateBadge({ status }) {
  const [label, kind] = states[status.state];
  return html`<span class=${`badge ${kind}`}>${label}</span>`;
}

/** Returns the state of a machine in a sentence with the time since when it has it. */
export function describe({ name, status: { state, since, reason, last_answer } }) {
  if (state === "not-connected") return `This session is not connected to ${name}.${last_answer ? ` The machine answered at ${time(last_answer)}.` : ""}`;
  const from = since ? ` since ${time(since)}` : "";
  const last = last_answer ? ` Last answer: ${time(last_answer)}.` : "";
  return `${name}: ${states[state][0]}${from}${reason ? `. Reason: ${reason}.` : "."}${last}`;
}

/** Since when a machine has its state, and why it cannot be used. */
function details({ state, since, reason }) {
  if (state === "not-connected") return null;
  return html`<span class="quiet line">since ${time(since)}</span>${reason && html`<span class="line">${reason}</span>`}`;
}

/** Shows the states of machines in the tree, too. */
export function useStates(machines) {
  const seen = (machines ?? []).map(({ id, status }) => [id, status.state]);
  useEffect(() => {
    machineStates.value = { ...machineStates.value, ...Object.fromEntries(seen) };
  }, [seen.join()]);
}

/** Opens the dialog for a new machine. */
const connectNew = (reload) => (dialog.value = html`<${NewMachine} reload=${reload} />`);

/** Opens the dialog for the password of a machine. */
export const connect = (machine, reload, error = null) => (dialog.value = html`<${Password} key=${machine.id} machine=${machine} reload=${reload} error=${error} />`);

/** Goes on after an answer of the machine: its page, the question about its certificate, or the password again. */
function goOn(machine, password, isNew, reload) {
  const { state, certificate, reason } = machine.status;
  if (state === "untrusted" && certificate) {
    dialog.value = html`<${Trust} machine=${machine} password=${password} isNew=${isNew} reload=${reload} />`;
    return;
  }
  if (state === "rejected") {
    connect(machine, reload, new Error(reason));
    return;
  }
  dialog.value = null;
  go(`/machines/${machine.id}`);
  reload?.();
  notice.value = { kind: state === "reachable" ? "ok" : "error", text: state === "reachable" ? `Connected to ${machine.name}.` : describe(machine) };
}

function NewMachine({ reload }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const { url, name, account, password } = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    setError(null);
    try {
      const { value } = await change("POST", "/machines", { body: { url, name, account, password } });
      goOn(value, password, true, reload);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">Connect to a server</h2>
    <p>The machine needs a WS-Management service (WinRM). Your password stays in the memory of this console until you sign out.</p>
    <div class="field">
      <label for="machine-url">Server</label>
      <input id="machine-url" name="url" required autofocus maxlength="300" autocomplete="off" spellcheck="false" aria-describedby="machine-url-about" />
      <small id="machine-url-about">Name, address or URL. Without a URL, HTTPS on port 5986 is used.</small>
    </div>
    <label>Name in this console (optional)<input name="name" maxlength="128" autocomplete="off" /></label>
    <label>User name<input name="account" required maxlength="128" autocomplete="off" spellcheck="false" /></label>
    <label>Password<input name="password" type="password" required autocomplete="off" /></label>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary" disabled=${isBusy}>${isBusy ? "Connecting…" : "Connect"}</button> <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </form>`;
}

function Password({ machine, reload, error: first }) {
  const [error, setError] = useState(first);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const password = new FormData(event.target).get("password");
    setBusy(true);
    setError(null);
    try {
      const { value } = await change("POST", `/machines/${machine.id}/connect`, { body: { password } });
      if (value.status.state === "rejected") setError(new Error(value.status.reason));
      else goOn(value, password, false, reload);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">Connect to ${machine.name}</h2>
    <p><code>${machine.url}</code> as ${machine.account}</p>
    <label>Password of ${machine.account}<input name="password" type="password" required autofocus autocomplete="off" /></label>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary" disabled=${isBusy}>${isBusy ? "Connecting…" : "Connect"}</button> <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </form>`;
}

/** Asks whether the certificate of a machine is trusted. No password was sent until then. */
function Trust({ machine, password, isNew, reload }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const { certificate, reason } = machine.status;
  const trust = async () => {
    setBusy(true);
    setError(null);
    try {
      const { value } = await change("POST", `/machines/${machine.id}/connect`, { body: { password, thumbprint: certificate.sha256 } });
      goOn(value, password, false, reload);
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  const refuse = async () => {
    dialog.value = null;
    if (isNew) await send("DELETE", `/machines/${machine.id}`).catch(() => null);
    reload?.();
  };
  const rows = [["Names", certificate.names.join(", ") || "none"], ["Issuer", certificate.issuer], ["Expires", time(certificate.not_after)], ["SHA-256 thumbprint", certificate.sha256], ["SHA-1 thumbprint", certificate.sha1]];
  return html`<div class="output">
    <h2 id="dialog-title">Trust the certificate of ${machine.name}?</h2>
    <p class="warning">${machine.thumbprint ? "The machine presents another certificate than the one that you have trusted. The certificate was renewed, or another machine answers in its place." : `Not verified: ${reason}.`} No password was sent.</p>
    <p>Compare the thumbprint with the one that the machine itself shows, for example with <code>winrm enumerate winrm/config/listener</code> on it.</p>
    <dl class="certificate">${rows.map(([label, text]) => html`<dt>${label}</dt><dd class="break">${text}</dd>`)}</dl>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary" disabled=${isBusy} onClick=${trust}>${isBusy ? "Connecting…" : "Trust and connect"}</button> <button onClick=${refuse}>${isNew ? "Do not add" : "Cancel"}</button></p>
  </div>`;
}

/** Asks whether a machine is removed from the list. */
export function remove(machine, done) {
  const run = async () => {
    await send("DELETE", `/machines/${machine.id}`);
    dialog.value = null;
    done();
    notice.value = { kind: "ok", text: `${machine.name} was removed.` };
  };
  dialog.value = html`<div class="output">
    <h2 id="dialog-title">Remove ${machine.name}?</h2>
    <p>Only the entry in this console is removed. The machine itself does not change.</p>
    <p class="buttons"><button class="danger" onClick=${run}>Remove machine</button> <button onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </div>`;
}

/** The machines with their states, while the service asks each machine again and again. */
function useMachines() {
  const { data, error, reload } = useData(() => get("/machines"));
  const [states, setStates] = useState({});
  const [isLive, setLive] = useState(false);
  useEffect(() => followAgain("/machines", (message) => {
    setLive(true);
    setStates(Object.fromEntries(JSON.parse(message.data).machines.map(({ id, status }) => [id, status])));
  }, () => setLive(false)), []);
  // A machine that was just connected has its state in the list, until the stream has a newer one.
  useEffect(() => setStates({}), [data]);
  const machines = data?.value.machines.map((one) => ({ ...one, status: states[one.id] ?? one.status }));
  useStates(machines);
  return { machines, error, reload, isLive };
}

export function Machines() {
  const { machines, error, reload, isLive } = useMachines();
  const [chosen, setChosen] = useState([]);
  useEffect(() => {
    actions.value = [{ label: "Connect to a server", kind: "primary", run: () => connectNew(reload) }];
  }, []);
  if (!machines) return html`<${Heading}>Machines<//><${Waiting} error=${error} />`;
  const usable = machines.filter(({ status }) => status.state === "reachable");
  const members = usable.filter(({ id }) => chosen.includes(id));
  const choose = (id, isChosen) => setChosen((old) => (isChosen ? [...old, id] : old.filter((other) => other !== id)));
  return html`
    <${Heading} detail="Other machines with WS-Management, with your own accounts on them">Machines<//>
    <${Problem} error=${error} />
    <${Table} caption="Machines" rows=${machines} empty="No machine yet. Connect to a server adds one." columns=${[
      ["Selected", (one) => html`<input type="checkbox" aria-label=${`Select ${one.name}`} disabled=${one.status.state !== "reachable"} checked=${members.includes(one)} onChange=${(event) => choose(one.id, event.target.checked)} />`],
      ["Machine", (one) => html`<span><${Link} to=${`/machines/${one.id}`}>${one.name}<//> <span class="quiet line">as ${one.account}</span></span>`],
      ["State", (one) => html`<span><${StateBadge} status=${one.status} /> ${details(one.status)}</span>`],
      ["Last answer", (one) => (one.status.last_answer ? time(one.status.last_answer) : "")],
      ["Product", (one) => [one.status.product, one.status.version].filter(Boolean).join(", ")],
      ["", (one) => html`<span class="buttons">
        ${one.status.state !== "reachable" && html`<button onClick=${() => connect(one, reload)} aria-label=${`Connect to ${one.name}`}>Connect…</button>`}
        <button class="danger" onClick=${() => remove(one, reload)} aria-label=${`Remove ${one.name}`}>Remove…</button></span>`],
    ]} />
    ${machines.length > 0 && html`<p class="quiet">${isLive ? "Each machine is asked every ten seconds while this page is open. A machine to which this session is not connected is asked without credentials." : "Not connected to live data; trying again."}</p>`}
    ${usable.length > 1 && html`<p class="buttons"><button onClick=${() => setChosen(usable.map(({ id }) => id))}>Select all reachable machines</button></p>`}
    ${usable.length > 0 && html`<${Group} members=${members} />`}`;
}

/** Form for an operation on the selected machines. */
function Group({ members }) {
  const [kind, setKind] = useState("command");
  const [command, setCommand] = useState("");
  const [query, setQuery] = useState("SELECT Caption, Version, LastBootUpTime FROM Win32_OperatingSystem");
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const body = { machines: members.map(({ id }) => id), ...(kind === "command" ? { command } : { query }) };
    try {
      const { value } = await change("POST", "/machine-runs", { body });
      go(`/machine-runs/${value.run}`);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const option = (value, label) => html`<label class="check"><input type="radio" name="kind" checked=${kind === value} onChange=${() => setKind(value)} />${label}</label>`;
  return html`<form onSubmit=${submit}>
    <h2>Run on the selected machines</h2>
    <fieldset class="group"><legend class="hidden">Operation</legend><div class="checks">${option("command", "Command")}${option("query", "WMI query")}</div></fieldset>
    ${kind === "command"
      ? html`<div class="field"><label for="run-command">Command line</label><input id="run-command" required maxlength="8000" spellcheck="false" autocomplete="off" value=${command} onInput=${(event) => setCommand(event.target.value)} aria-describedby="run-about" /></div>`
      : html`<div class="field"><label for="run-query">Query</label><textarea id="run-query" rows="2" required maxlength="16000" spellcheck="false" value=${query} onInput=${(event) => setQuery(event.target.value)} aria-describedby="run-about"></textarea></div>`}
    <small id="run-about">${kind === "command" ? "Runs in the shell of each machine, with your account there. The first 64 KiB of output of each machine are shown." : "Runs in root/cimv2. The first 100 rows of each machine are shown."}</small>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary" disabled=${isBusy || !members.length}>${members.length ? `Run on ${members.length === 1 ? members[0].name : `${members.length} machines`}` : "Select machines first"}</button></p>
  </form>`;
}
