// Components of the fields that values.js describes.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "./router.js";
import { memberKey, newRow } from "./values.js";

/** Returns the identifier of the element of a field. */
export const fieldId = (path) => `field${path.replaceAll("/", "-")}`;

/** A field: shows its draft, and calls `set` with a new one. `messages` are by path. */
export function Field({ field, ...rest }) {
  return html`<${components[field.kind]} field=${field} ...${rest} />`;
}

/** Identifiers of the help and of the message of a field, for `aria-describedby`. */
function describedBy(field, id, message) {
  return [field.help && `${id}-help`, message && `${id}-error`].filter(Boolean).join(" ") || undefined;
}

function Notes({ field, id, message }) {
  return html`
    ${field.help && html`<small id=${`${id}-help`}>${field.help}</small>`}
    ${message && html`<p class="field-error" id=${`${id}-error`}>${message}</p>`}`;
}

/** A label above one control. */
function Labelled({ field, path, messages, children }) {
  const [id, message] = [fieldId(path), messages[path]];
  return html`<div class=${`field ${field.size ?? ""}`}>
    <label for=${id}>${field.label}${field.required && html`<span class="required"> (required)</span>`}</label>
    ${children({ id, "aria-describedby": describedBy(field, id, message), "aria-invalid": message ? "true" : undefined, "aria-required": field.required ? "true" : undefined })}
    <${Notes} field=${field} id=${id} message=${message} />
  </div>`;
}

function Text({ field, draft, set, path, messages }) {
  const isNumber = field.kind === "number" || field.isNumber;
  return html`<${Labelled} field=${field} path=${path} messages=${messages}>${(attributes) => html`
    <input ...${attributes} type=${field.isSecret ? "password" : undefined} value=${draft} placeholder=${field.placeholder} inputmode=${isNumber ? "numeric" : undefined}
      list=${field.suggestions && `${attributes.id}-list`}
      autocomplete=${field.isSecret ? "new-password" : "off"} autocapitalize="none" spellcheck="false" onInput=${(event) => set(event.target.value)} />
    ${field.suggestions && html`<datalist id=${`${attributes.id}-list`}>${field.suggestions.map((one) => html`<option value=${one}></option>`)}</datalist>`}`}<//>`;
}

function Choice({ field, draft, set, path, messages }) {
  return html`<${Labelled} field=${field} path=${path} messages=${messages}>${(attributes) => html`
    <select ...${attributes} onChange=${(event) => set(Number(event.target.value))}>
      ${field.choices.map(([, label], index) => html`<option value=${index} selected=${index === draft}>${label}</option>`)}
    </select>`}<//>`;
}

function Check({ field, draft, set, path, messages }) {
  const [id, message] = [fieldId(path), messages[path]];
  return html`<div class="field">
    <label class="check"><input type="checkbox" id=${id} checked=${draft} aria-describedby=${describedBy(field, id, message)}
      onChange=${(event) => set(event.target.checked)} />${field.label}</label>
    <${Notes} field=${field} id=${id} message=${message} />
  </div>`;
}

/** A named group of controls. */
function Group({ field, path, messages, children }) {
  const [id, message] = [fieldId(path), messages[path]];
  return html`<fieldset id=${id} class="group" aria-describedby=${describedBy(field, id, message)}>
    <legend>${field.label}</legend>
    ${field.help && html`<small id=${`${id}-help`}>${field.help}</small>`}
    ${children}
    ${message && html`<p class="field-error" id=${`${id}-error`}>${message}</p>`}
  </fieldset>`;
}

function Checks({ field, draft, set, path, messages }) {
  const toggle = (value, isChosen) => set(isChosen ? [...draft, value] : draft.filter((other) => other !== value));
  return html`<${Group} field=${field} path=${path} messages=${messages}>
    <div class="checks">${field.choices.map(([value, label]) => html`<label class="check">
      <input type="checkbox" checked=${draft.includes(value)} aria-invalid=${messages[path] ? "true" : undefined}
        onChange=${(event) => toggle(value, event.target.checked)} />${label}</label>`)}</div>
  <//>`;
}

function Members({ field, draft, set, path, messages }) {
  return field.members.map(([name, member], index) => {
    const key = memberKey(name, index);
    return html`<${Field} key=${key} field=${member} draft=${draft[key]} set=${(value) => set({ ...draft, [key]: value })}
      path=${name ? `${path}/${name}` : path} messages=${messages} />`;
  });
}

function Variant({ field, draft, set, path, messages }) {
  const { chosen, drafts } = draft;
  const { field: inner } = field.variants[chosen];
  const id = `${fieldId(path)}-form`;
  const change = (value) => set({ chosen, drafts: drafts.map((old, index) => (index === chosen ? value : old)) });
  return html`<div class="variant">
    <div class="field">
      <label for=${id}>${field.label}</label>
      <select id=${id} aria-describedby=${field.help && `${id}-help`} onChange=${(event) => set({ chosen: Number(event.target.value), drafts })}>
        ${field.variants.map(({ label }, index) => html`<option value=${index} selected=${index === chosen}>${label}</option>`)}
      </select>
      <${Notes} field=${field} id=${id} />
    </div>
    ${inner && html`<div class="indented"><${Field} key=${chosen} field=${inner} draft=${drafts[chosen]} set=${change} path=${path} messages=${messages} /></div>`}
  </div>`;
}

/** A list whose rows are added, removed and, if their order matters, moved. */
function Rows({ field, draft, set, path, messages }) {
  const list = useRef(null);
  const [spoken, setSpoken] = useState("");
  // Selector of the element that receives the focus after the next change.
  const [focus, setFocus] = useState(null);
  useEffect(() => {
    if (focus) list.current?.querySelector(focus.selector)?.focus();
  }, [focus]);
  const name = (index) => `${field.row} ${index + 1}`;
  const add = () => {
    set([...draft, newRow(field)]);
    setFocus({ selector: `:scope > ol > li:nth-child(${draft.length + 1}) :is(input, select)` });
    setSpoken(`Added ${name(draft.length)}`);
  };
  const remove = (index) => {
    set(draft.filter((_, other) => other !== index));
    const next = Math.min(index, draft.length - 2) + 1;
    setFocus({ selector: draft.length > 1 ? `:scope > ol > li:nth-child(${next}) .remove` : ":scope > .add" });
    setSpoken(`Removed ${name(index)}`);
  };
  const move = (index, step) => {
    const moved = draft.toSpliced(index, 1).toSpliced(index + step, 0, draft[index]);
    set(moved);
    const isAtEnd = step < 0 ? index + step === 0 : index + step === draft.length - 1;
    const button = (step < 0) === isAtEnd ? ".down" : ".up";
    setFocus({ selector: `:scope > ol > li:nth-child(${index + step + 1}) ${button}` });
    setSpoken(`${name(index)} is now ${name(index + step)}`);
  };
  const [id, message] = [fieldId(path), messages[path]];
  return html`<fieldset id=${id} ref=${list} class="group" aria-describedby=${describedBy(field, id, message)}>
    <legend>${field.label}</legend>
    ${field.help && html`<small id=${`${id}-help`}>${field.help}</small>`}
    ${draft.length ? html`<ol class="rows">${draft.map((row, index) => html`<li key=${row.key} aria-label=${name(index)}>
      <div class="row">
        <${Field} field=${field.item} draft=${row.draft} path=${`${path}/${index}`} messages=${messages}
          set=${(value) => set(draft.with(index, { ...row, draft: value }))} />
      </div>
      <div class="row-buttons">
        ${field.isOrdered && html`
          <button type="button" class="up" disabled=${index === 0} aria-label=${`Move ${name(index)} up`} onClick=${() => move(index, -1)}>↑</button>
          <button type="button" class="down" disabled=${index === draft.length - 1} aria-label=${`Move ${name(index)} down`} onClick=${() => move(index, 1)}>↓</button>`}
        <button type="button" class="remove" aria-label=${`Remove ${name(index)}`} onClick=${() => remove(index)}>Remove</button>
      </div>
    </li>`)}</ol>` : html`<p class="quiet">None</p>`}
    ${message && html`<p class="field-error" id=${`${id}-error`}>${message}</p>`}
    <button type="button" class="add" onClick=${add}>Add ${field.row}</button>
    <span class="hidden" role="status">${spoken}</span>
  </fieldset>`;
}

const components = {
  text: Text,
  number: Text,
  words: Text,
  choice: Choice,
  check: Check,
  checks: Checks,
  object: Members,
  rows: Rows,
  variant: Variant,
};
