// Fields of a form: their descriptions, the draft of a value, and the value of a draft.
//
// A description is an object whose `kind` is one of those below. A draft has what the user has entered, also if it is not
// valid. A path is a JSON pointer to a value in the form's value, so that messages of the server find their field.

/** Text. `required`, `help`, `placeholder`, `isSecret`, and `suggestions`: texts that the user can choose. An empty text is null. */
export const text = (label, options) => ({ kind: "text", label, ...options });
/** A number from `min` to `max`. An empty field is null. */
export const number = (label, options) => ({ kind: "number", label, ...options });
/** Words between spaces; with `isNumber` from `min` to `max`. */
export const words = (label, options) => ({ kind: "words", label, ...options });
/** One of `[value, label]`. */
export const choice = (label, choices, options) => ({ kind: "choice", label, choices, ...options });
/** True or false. */
export const check = (label, options) => ({ kind: "check", label, ...options });
/** Some of `[value, label]`; at least one. */
export const checks = (label, choices, options) => ({ kind: "checks", label, choices, ...options });
/** Members of an object: `[name, field]` each. The members of a field without a name belong to the object itself. */
export const object = (...members) => ({ kind: "object", members });
/** A list: `item` is the field of a row, `row` its name in the singular. `isOrdered` rows can be moved. */
export const rows = (label, row, item, options) => ({ kind: "rows", label, row, item, ...options });
/** One of several forms of a value: each has a `label`, `matches(value)`, and a `field` or a constant `value`. */
export const variant = (label, variants, options) => ({ kind: "variant", label, variants, ...options });

/** A list that is inherited (null), or set here. */
export const inheritable = (label, field, inherited = "Inherited or default") =>
  variant(label, [
    { label: inherited, matches: (value) => value == null, value: null },
    { label: "Set here", matches: (value) => value != null, field },
  ]);

/** Returns a field without the members with these names, at any depth. */
export function without(field, names) {
  if (!names?.length) return field;
  const inner = (part) => part && without(part, names);
  return {
    ...field,
    ...(field.members && { members: field.members.filter(([name]) => !names.includes(name)).map(([name, part]) => [name, inner(part)]) }),
    ...(field.item && { item: inner(field.item) }),
    ...(field.variants && { variants: field.variants.map((choice) => ({ ...choice, field: inner(choice.field) })) }),
  };
}

/** Returns a field whose members with these names suggest texts: `{name: [text, …]}`. */
export function suggesting(field, suggestions) {
  const members = field.members.map(([name, part]) => [name, suggestions[name] ? { ...part, suggestions: suggestions[name] } : part]);
  return { ...field, members };
}

let lastKey = 0;

/** Returns a row of a draft; its key stays when rows are moved. */
export function newRow(field, value) {
  lastKey += 1;
  return { key: lastKey, draft: start(field.item, value) };
}

/** Returns the member of a draft that has the members of a field without a name. */
export const memberKey = (name, index) => name || `#${index}`;

const starts = {
  text: (_, value) => (value == null ? "" : String(value)),
  number: (_, value) => (value == null ? "" : String(value)),
  words: (_, value) => (value ?? []).join(" "),
  choice: ({ choices }, value) => {
    const index = choices.findIndex(([known]) => known === (value ?? null));
    return Math.max(index, 0);
  },
  check: (_, value) => Boolean(value),
  checks: (_, value) => [...(value ?? [])],
  object: ({ members }, value) =>
    Object.fromEntries(members.map(([name, field], index) => [memberKey(name, index), start(field, name ? value?.[name] : value)])),
  rows: (field, value) => (value ?? []).map((row) => newRow(field, row)),
  variant: ({ variants }, value) => {
    const found = Math.max(variants.findIndex(({ matches }) => matches(value)), 0);
    // Each form keeps its own draft while the user chooses between them.
    return { chosen: found, drafts: variants.map(({ field }, index) => field && start(field, index === found ? value : undefined)) };
  },
};

/** Returns the draft of a value. */
export function start(field, value) {
  return starts[field.kind](field, value);
}

/** Returns a whole number, or undefined with a message at the path. */
function readNumber(entered, { min = 0, max = Number.MAX_SAFE_INTEGER }, path, messages) {
  const value = /^\d{1,16}$/.test(entered) ? Number(entered) : NaN;
  if (value >= min && value <= max) return value;
  messages[path] = max === Number.MAX_SAFE_INTEGER ? `Enter a whole number, at least ${min}` : `Enter a whole number from ${min} to ${max}`;
  return undefined;
}

const isMissing = (entered, { required }, path, messages) => {
  if (entered) return false;
  if (required) messages[path] = "Enter a value";
  return true;
};

const reads = {
  text: (field, draft, path, messages) => (isMissing(draft.trim(), field, path, messages) ? null : draft.trim()),
  number: (field, draft, path, messages) => {
    const entered = draft.trim();
    return isMissing(entered, field, path, messages) ? null : readNumber(entered, field, path, messages);
  },
  words: (field, draft, path, messages) => {
    const list = draft.split(/[\s,]+/).filter(Boolean);
    if (isMissing(list.length, field, path, messages)) return [];
    return field.isNumber ? list.map((word) => readNumber(word, field, path, messages)) : list;
  },
  choice: ({ choices }, draft) => choices[draft][0],
  check: (_, draft) => draft,
  checks: ({ choices }, draft, path, messages) => {
    if (!draft.length) messages[path] = "Choose at least one";
    // In the order of the choices, so that the same choice makes the same text.
    return choices.map(([value]) => value).filter((value) => draft.includes(value));
  },
  object: ({ members }, draft, path, messages) => {
    const value = {};
    members.forEach(([name, field], index) => {
      const part = read(field, draft[memberKey(name, index)], name ? `${path}/${name}` : path, messages);
      if (name) value[name] = part;
      else Object.assign(value, part);
    });
    return value;
  },
  rows: ({ item, row, minimum = 0, empty }, draft, path, messages) => {
    if (draft.length < minimum) messages[path] = empty ?? `Add at least one ${row}`;
    return draft.map(({ draft: entered }, index) => read(item, entered, `${path}/${index}`, messages));
  },
  variant: ({ variants }, { chosen, drafts }, path, messages) => {
    const { field, value } = variants[chosen];
    return field ? read(field, drafts[chosen], path, messages) : value;
  },
};

/** Returns the value of a draft. Adds messages about invalid fields to `messages`, by their paths. */
export function read(field, draft, path, messages) {
  return reads[field.kind](field, draft, path, messages);
}
