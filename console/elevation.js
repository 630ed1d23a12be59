// Changes that need the password again.
import { useState } from "preact/hooks";
import { send } from "./api.js";
import { Problem, html } from "./router.js";
import { elevation, session } from "./state.js";

/** Sends a change; asks for the password first if the server requires it. */
export async function change(method, resource, options) {
  try {
    return await send(method, resource, options);
  } catch (failure) {
    if (failure.problem?.type !== "urn:telarch:problem:elevation-required") throw failure;
    // A dialog that has sent the change stays open below, and shows its failure.
    await new Promise((resolve, reject) => {
      const cancel = () => {
        elevation.value = null;
        reject(failure);
      };
      elevation.value = { content: html`<${Elevate} resolve=${resolve} cancel=${cancel} />`, cancel };
    });
    return send(method, resource, options);
  }
}

function Elevate({ resolve, cancel }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      const body = { password: new FormData(event.target).get("password") };
      session.value = (await send("POST", "/session/elevate", { body })).value;
      resolve();
      elevation.value = null;
    } catch (failure) {
      setError(failure);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="elevation-title">Repeat your password</h2>
    <p>Changes of users, rules, keys and settings, calls of methods, terminals, connections to other machines, and the end of a shell need it every five minutes.</p>
    <label>Password<input name="password" type="password" autocomplete="current-password" required autofocus /></label>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary">Continue</button> <button type="button" onClick=${cancel}>Cancel</button></p>
  </form>`;
}
