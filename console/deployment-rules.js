// Deployment rules: files of sites that users without the role of an administrator may read and replace.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { confirm } from "./changes.js";
import { change } from "./elevation.js";
import { Form, atField } from "./form.js";
import { Heading, Problem, Table, Waiting, html, useData } from "./router.js";
import { actions, notice, unsaved } from "./state.js";
import { check, checks, choice, object, rows, text } from "./values.js";

const resource = "/management/deployment-rules";

const pathTypes = [
  ["PathPrefix", "is this path, or below it"],
  ["StringPrefix", "begins with this text"],
  ["StringSuffix", "ends with this text"],
];

/** Returns the files of a rule in words. */
function filesOf({ path, pathType }) {
  const shown = html`<code class="break">${path}</code>`;
  return { PathPrefix: html`${shown} and below`, StringPrefix: html`begins with ${shown}`, StringSuffix: html`ends with ${shown}` }[pathType];
}

const rule = object(
  ["users", rows("Users", "user", text("User name", { required: true }), { minimum: 1, empty: "Add at least one user", help: "* for all users. A user needs a permission for the site, too." })],
  ["actions", checks("Permitted actions", [["Read", "Read: list and preview deployments"], ["Write", "Write: replace files, and roll back"]])],
  ["pathType", choice("The path of the file", pathTypes)],
  ["path", text("Path", { required: true, help: "{userScope} is the folder of the site, {userName} the name of the user." })],
  ["enabled", check("Enabled", { help: "A rule that is not enabled permits nothing." })],
);

const newRule = { users: [""], actions: ["Read", "Write"], path: "{userScope}", pathType: "PathPrefix", enabled: true };

/** Replaces the rules that this page shows. Refuses that if they were changed meanwhile. */
async function replace(shown, rules) {
  const { value } = await get(resource);
  if (JSON.stringify(value.rules) !== JSON.stringify(shown)) {
    throw new Error("The rules were changed meanwhile. Load the page again, and repeat the change.");
  }
  await change("PUT", resource, { body: { rules } });
}

export function DeploymentRules() {
  const { data, error, reload } = useData(() => get(resource));
  // Position of the rule in the form; that after the last one for a new rule. Null without a form.
  const [edited, setEdited] = useState(null);
  useEffect(() => {
    actions.value = data && edited === null ? [{ label: "Add rule", kind: "primary", run: () => setEdited(data.value.rules.length) }] : [];
  }, [data, edited]);
  const heading = html`<${Heading} detail="Administrators need no rule. Other users need a permission for the site, and a rule for each file.">Deployment rules<//>`;
  if (!data) return html`${heading}<${Waiting} error=${error} />`;
  const { rules } = data.value;
  const submit = async (value) => {
    try {
      await replace(rules, edited < rules.length ? rules.with(edited, value) : [...rules, value]);
    } catch (failure) {
      throw atField(failure, ["users", "actions", "path", "pathType", "enabled"]);
    }
    unsaved.value = false;
    await reload();
    setEdited(null);
    notice.value = { kind: "ok", text: edited < rules.length ? `Rule ${edited + 1} is changed.` : "The rule is added." };
  };
  const remove = (index) => confirm(`Remove rule ${index + 1}?`, `${rules[index].users.join(", ")} can no longer deploy the files that only this rule permits.`, "Remove", async () => {
    await replace(rules, rules.toSpliced(index, 1));
    await reload();
    notice.value = { kind: "ok", text: `Rule ${index + 1} is removed.` };
  });
  if (edited !== null) {
    const isNew = edited >= rules.length;
    return html`${heading}
      <h2>${isNew ? "New rule" : `Rule ${edited + 1}`}</h2>
      <${Form} key=${edited} field=${rule} value=${isNew ? newRule : rules[edited]} label=${isNew ? "Add rule" : "Change rule"} submit=${submit} cancel=${() => setEdited(null)} />`;
  }
  const numbered = rules.map((one, index) => ({ ...one, index }));
  return html`${heading}
    <${Problem} error=${error} />
    <${Table} caption="Deployment rules" rows=${numbered} empty="There is no rule: only administrators deploy." columns=${[
      ["Rule", (one) => one.index + 1, true],
      ["Users", (one) => one.users.map((name) => (name === "*" ? "all (*)" : name)).join(", ")],
      ["Actions", (one) => one.actions.join(", ") || "none"],
      ["Files", (one) => html`<span>${filesOf(one)}</span>`],
      ["State", (one) => html`<span class=${one.enabled ? "badge ok" : "badge"}>${one.enabled ? "enabled" : "disabled"}</span>`],
      ["", (one) => html`<span class="buttons"><button onClick=${() => setEdited(one.index)} aria-label=${`Change rule ${one.index + 1}`}>Change</button><button class="danger" onClick=${() => remove(one.index)} aria-label=${`Remove rule ${one.index + 1}`}>Remove</button></span>`],
    ]} />`;
}
