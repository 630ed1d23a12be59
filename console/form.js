// Forms: the draft of a value, messages beside the fields, and the request that previews the value.
import { useEffect, useRef, useState } from "preact/hooks";
import { Field, fieldId } from "./fields.js";
import { read, start } from "./values.js";
import { Problem, html } from "./router.js";
import { unsaved } from "./state.js";

/** Returns the path of the field that contains the value at a path: the value may be a part of a field. */
function fieldOf(path) {
  for (let end = path; end; end = end.slice(0, end.lastIndexOf("/"))) {
    if (document.getElementById(fieldId(end))) return end;
  }
  return null;
}

/** Splits a failure into messages of fields, by path, and a failure of the whole form, or null. */
function sortFailure(failure) {
  const messages = {};
  let rest = null;
  for (const { pointer, detail } of failure.problem?.errors ?? []) {
    const path = fieldOf(pointer.replace(/^#/, ""));
    if (path) messages[path] = detail;
    else rest = failure;
  }
  return { messages, rest: Object.keys(messages).length ? rest : failure };
}

/** Returns a failure whose message begins with the name of a member, such as `path: …`, as a failure of its field. */
export function atField(failure, names) {
  const name = names.find((known) => failure.message.startsWith(`${known}: `));
  if (name && failure.problem) failure.problem.errors = [{ pointer: `#/${name}`, detail: failure.message.slice(name.length + 2) }];
  return failure;
}

/**
 * A form for a value. `field` describes it (values.js), and `submit` receives the new value.
 * A failed `submit` is shown beside the fields that the server names.
 * After a change by others, `submit` is offered again with `{isRepeated: true}`.
 */
export function Form({ field, value, isReadOnly, label, submit, cancel, children }) {
  const element = useRef(null);
  const [draft, setDraft] = useState(() => start(field, value));
  const [isChecked, setChecked] = useState(false);
  const [refused, setRefused] = useState({});
  const [failure, setFailure] = useState(null);
  const [isBusy, setBusy] = useState(false);
  // Each failed attempt moves the focus to the first message.
  const [attempts, setAttempts] = useState(0);
  useEffect(() => {
    if (attempts) element.current?.querySelector("[aria-invalid=true], .field-error ~ button")?.focus();
  }, [attempts]);
  useEffect(() => () => {
    unsaved.value = false;
  }, []);
  const local = {};
  const result = read(field, draft, "", local);
  const messages = isChecked ? { ...refused, ...local } : refused;
  const count = Object.keys(messages).length;

  const change = (next) => {
    unsaved.value = true;
    setDraft(next);
    // The paths of the rows may have changed.
    setRefused({});
    setFailure(null);
  };
  const send = async (options) => {
    setChecked(true);
    setRefused({});
    setFailure(null);
    if (Object.keys(local).length) {
      setAttempts((number) => number + 1);
      return;
    }
    setBusy(true);
    try {
      await submit(result, options);
    } catch (problem) {
      const { messages: found, rest } = sortFailure(problem);
      setRefused(found);
      setFailure(rest);
      setAttempts((number) => number + 1);
    } finally {
      setBusy(false);
    }
  };
  const abandon = () => {
    unsaved.value = false;
    cancel();
  };
  const onSubmit = (event) => {
    event.preventDefault();
    send({ isRepeated: false });
  };
  return html`<form ref=${element} class="fields" novalidate onSubmit=${onSubmit}>
    <fieldset class="plain" disabled=${isReadOnly}>
      <${Field} field=${field} draft=${draft} set=${change} path="" messages=${messages} />
    </fieldset>
    ${children}
    ${count > 0 && html`<p class="problem" role="alert">${count === 1 ? "One field needs a correction." : `${count} fields need a correction.`}</p>`}
    <${Problem} error=${failure} />
    ${failure?.status === 412 && html`<p><button type="button" onClick=${() => send({ isRepeated: true })}>Preview with the current files</button></p>`}
    ${!isReadOnly && html`<p class="buttons">
      <button class="primary" disabled=${isBusy}>${isBusy ? "Checking…" : label}</button>
      ${cancel && html` <button type="button" onClick=${abandon}>Cancel</button>`}
    </p>`}
  </form>`;
}
