// A feature of a site.
import { useLayoutEffect, useState } from "preact/hooks";
import { get, pathOf } from "./api.js";
import { preview } from "./changes.js";
import { featureFields } from "./feature-fields.js";
import { Form } from "./form.js";
import { Heading, Link, Problem, Waiting, html, useData } from "./router.js";
import { actions, hasRole, writes } from "./state.js";
import { suggesting, without } from "./values.js";

/** Returns the name of a feature for people. */
export function featureTitle(feature) {
  const title = feature.replaceAll("-", " ").replace(/^ip /, "IP ").replace(/^mime /, "MIME ").replace(/^ssl$/, "SSL");
  return title[0].toUpperCase() + title.slice(1);
}

/** Returns the position to which a new value is written: its directives in the site's file, or the site's block. */
function target({ is_local, origins }, { position }) {
  const local = is_local && origins.find(({ file }) => file === position.file);
  return `Writes to ${position.file}:${(local || position).line}, applies by reload`;
}

/** Returns positions as text, with each file once: `site.conf:7, 8, 9`. */
function places(origins) {
  const files = Map.groupBy(origins, ({ file }) => file);
  return [...files].map(([file, positions]) => `${file}:${positions.map(({ line }) => line).join(", ")}`);
}

function Source({ state }) {
  const { setting, is_local, origins } = state;
  if (setting.setting === "default") return html`<p class="quiet">No directive sets this feature; the default of the web server applies.</p>`;
  return html`<p class="quiet">${is_local ? "Set in " : "Inherited from "}${places(origins).map((place, index) => html`${index > 0 && "; "}<code>${place}</code>`)}</p>`;
}

/** Returns the field of a feature. That of TLS suggests the files of stored certificates. */
function fieldOf(name, certificates, unsupported) {
  const field = without(featureFields[name], unsupported);
  const issued = (certificates?.stored ?? []).filter(({ certificate }) => certificate);
  return issued.length ? suggesting(field, { certificate: issued.map(({ certificate }) => certificate), key: issued.map(({ key }) => key) }) : field;
}

/** A feature of a site of this machine, or of another one with IIS. */
export function Feature({ id, name, machine }) {
  const siteUrl = `${pathOf(machine)}/web/sites/${encodeURIComponent(id)}`;
  const resource = `${siteUrl}/features/${name}`;
  const { data, error, reload } = useData(() => get(resource));
  const site = useData(() => get(siteUrl));
  // A delegated user cannot see the certificates of the machine.
  const certificates = useData(async () => (name === "ssl" && !machine && hasRole("viewer") ? (await get("/web/certificates")).value : null));
  const [failure, setFailure] = useState(null);
  const [isReplacing, setReplacing] = useState(false);
  const state = data?.value;
  const siteName = site.data?.value.names[0] ?? id;
  const changeTitle = `${featureTitle(name)} of ${siteName}`;
  const revert = async () => {
    try {
      setFailure(null);
      await preview(`Revert ${changeTitle}`, { method: "DELETE", resource, tag: data.tag }, { reload });
    } catch (problem) {
      setFailure(problem);
    }
  };
  // Before the dialog of a change closes, so that no action uses the revision before the change.
  useLayoutEffect(() => {
    if (!state) return;
    const place = () => (machine ? "Writes to the configuration of IIS, applies at once" : target(state, site.data.value));
    writes.value = state.writable && site.data ? place() : "";
    actions.value = state.writable && state.is_local ? [{ label: "Revert to inherited", run: revert }] : [];
  }, [data, site.data]);
  if (!state) return html`<${Waiting} error=${error} />`;
  const submit = async (value, { isRepeated }) => {
    const tag = isRepeated ? (await get(resource)).tag : data.tag;
    await preview(changeTitle, { method: "PUT", resource, body: { feature: name, ...value }, tag }, { reload });
  };
  const isUnsupported = state.setting.setting === "unsupported";
  return html`
    <${Heading} detail=${html`Feature of <${Link} to=${siteUrl}>${siteName}<//>`}>${featureTitle(name)}<//>
    ${machine ? html`<p class="quiet">${state.is_local ? "Set for this site" : "Inherited or default"}</p>` : html`<${Source} state=${state} />`}
    <${Problem} error=${failure} />
    ${!state.writable && html`<p class="warning">This feature is locked and read only for you.</p>`}
    ${isUnsupported && html`<p class="warning">This form cannot show the directives below. A value that you set here replaces them.</p>
      <pre tabindex="0" role="region" aria-label="Directives">${state.setting.text}</pre>`}
    ${isUnsupported && !isReplacing
      ? state.writable && html`<p><button onClick=${() => setReplacing(true)}>Replace these directives…</button></p>`
      : html`<${Form} key=${data.tag} field=${fieldOf(name, certificates.data, state.unsupported_fields)} value=${state.setting.value} isReadOnly=${!state.writable}
          label="Preview changes" submit=${submit} />`}`;
}
