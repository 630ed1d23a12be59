// Preview and commit of a change of the web server's configuration.
import { useState } from "preact/hooks";
import { change } from "./elevation.js";
import { Problem, html } from "./router.js";
import { dialog, notice, unsaved } from "./state.js";

/** Differences in the unified format, with a class and a sign for each line. */
export function Diff({ diffs }) {
  return diffs.map(({ file, line, change, unified }) => html`<section class="diff">
    <h3><code>${file}</code> <span class="quiet">${change}, line ${line}</span></h3>
    <pre tabindex="0" role="region" aria-label=${`Differences of ${file}`}>${unified
      .split("\n")
      .filter((text, number) => number > 1 && text)
      .map((text) => html`<span class=${{ "+": "added", "-": "removed", "@": "position" }[text[0]] ?? ""}>${text}</span>`)}</pre>
  </section>`);
}

/** Warnings and errors with their positions. */
export function Problems({ list }) {
  return list.map(({ severity, message, position }) => html`<p class=${severity === "error" ? "problem" : "warning"}>
    ${message} ${position && html`<code>${position.file}:${position.line}</code>`}
  </p>`);
}

/**
 * Shows the effect of a change, and makes it when the user confirms.
 * `request` is `{method, resource, body, tag}`. After the change, `reload` loads the data of the page again, and `done`
 * is called.
 */
export async function preview(title, request, { reload, done }) {
  const { method, resource, body, tag } = request;
  const { value } = await change(method, resource, { body, tag, query: { dry_run: true } });
  dialog.value = html`<${Preview} title=${title} plan=${value} request=${request} reload=${reload} done=${done} />`;
}

/**
 * A dialog that shows the effect of a change as its children, and makes the change with the button `label`.
 * `apply` receives the reason for the history, which is asked with `hasHistory`, and closes the dialog.
 */
export function Proposal({ title, label, busyLabel, canApply = true, hasHistory = true, apply, children }) {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await apply(new FormData(event.target).get("message") || title);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">${title}</h2>
    ${children}
    ${canApply && hasHistory && html`<label>Reason, for the history<input name="message" maxlength="500" placeholder=${title} /></label>`}
    <${Problem} error=${error} />
    <p class="buttons">
      <button class="primary" disabled=${isBusy || !canApply}>${isBusy ? busyLabel : label}</button>
      <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button>
    </p>
  </form>`;
}

function Preview({ title, plan, request, reload, done }) {
  const { diffs, warnings, validation } = plan;
  const isIis = request.resource.startsWith("/machines/");
  const canApply = validation.accepted && diffs.length > 0;
  const apply = async (message) => {
    const { method, resource, body, tag } = request;
    const { value } = await change(method, resource, { body, tag, query: { message } });
    const { verdict } = value.commit;
    // The page must not accept input that it loses when its data arrives.
    await reload?.();
    dialog.value = null;
    unsaved.value = false;
    // May show another page, which clears the message.
    done?.();
    notice.value = verdict.verdict === "failed"
      ? { kind: "error", text: `The web server rejected the change, and the old files were restored: ${verdict.reason}` }
      : { kind: "ok", text: `Commit ${value.commit.number}: ${verdict.verdict !== "active" ? "written; the web server is not running" : isIis ? "IIS uses the new configuration" : "the web server uses the new files"}` };
  };
  return html`<${Proposal} title=${title} label="Apply" busyLabel="Applying…" canApply=${canApply} apply=${apply}>
    ${diffs.length ? html`<${Diff} diffs=${diffs} />` : html`<p>This changes no file.</p>`}
    <${Problems} list=${warnings} />
    <${Problems} list=${validation.problems} />
    ${validation.accepted
      ? html`<p class="ok">${isIis ? "IIS has no validator: it checks each operation of the change." : "The validator of the web server accepts the new files."}</p>`
      : html`<div class="problem" role="alert"><p>The validator of the web server rejects the new files.</p><pre tabindex="0" role="region" aria-label="Output of the validator">${validation.output}</pre></div>`}
  <//>`;
}

/** Asks for confirmation of an action that cannot be undone. */
export function confirm(title, text, label, run) {
  dialog.value = html`<${Confirm} title=${title} text=${text} label=${label} run=${run} />`;
}

function Confirm({ title, text, label, run }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await run();
      dialog.value = null;
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">${title}</h2>
    <p>${text}</p>
    <${Problem} error=${error} />
    <p class="buttons">
      <button class="danger">${label}</button>
      <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button>
    </p>
  </form>`;
}
