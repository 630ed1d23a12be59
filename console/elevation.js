// Changes that need the password again.
import { useState } from "preact/hooks";
import { send } from "./api.js";
import { Problem, html } from "./router.js";
import { dialog, session } from "./state.js";

/** Sends a change; asks for the password first if the server requires it. */
export async function change(method, resource, options) {
  try {
    return await send(method, resource, options);
  } catch (failure) {
    if (failure.problem?.type !== "urn:telarch:problem:elevation-required") throw failure;
    await new Promise((resolve, reject) => {
      dialog.value = html`<${Elevate} resolve=${resolve} reject=${() => reject(failure)} />`;
    });
    return send(method, resource, options);
  }
}

function Elevate({ resolve, reject }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      const body = { password: new FormData(event.target).get("password") };
      session.value = (await send("POST", "/session/elevate", { body })).value;
      dialog.value = null;
      resolve();
    } catch (failure) {
      setError(failure);
    }
  };
  const cancel = () => {
    dialog.value = null;
    reject();
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">Repeat your password</h2>
    <p>Changes of users and keys, and calls of methods, need it every five minutes.</p>
    <label>Password<input name="password" type="password" autocomplete="current-password" required autofocus /></label>
    <${Problem} error=${error} />
    <p class="buttons"><button class="primary">Continue</button> <button type="button" onClick=${cancel}>Cancel</button></p>
  </form>`;
}
