// The sign-in page.
import { useState } from "preact/hooks";
import { rememberSession, send } from "./api.js";
import { Problem, html } from "./router.js";

/** Returns the failure of a sign-in that is refused without a check of the password. */
function lockedOut({ retryAfter }) {
  const minutes = Math.ceil((retryAfter ?? 60) / 60);
  return new Error(`Too many failed sign-ins. Try again in ${minutes === 1 ? "one minute" : `${minutes} minutes`}.`);
}

export function SignIn() {
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setBusy(true);
    setError(null);
    try {
      const body = { username: form.get("username"), password: form.get("password") };
      rememberSession((await send("POST", "/session", { body })).value);
    } catch (failure) {
      setError(failure.status === 429 ? lockedOut(failure) : failure);
      setBusy(false);
    }
  };
  return html`<main class="sign-in">
    <form onSubmit=${submit}>
      <img src="/favicon.svg" alt="" width="40" height="40" />
      <h1>Telarch</h1>
      <p class="quiet">Web management of ${location.hostname}</p>
      <label>User name<input name="username" autocomplete="username" required autofocus /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <${Problem} error=${error} />
      <button class="primary" disabled=${isBusy}>${isBusy ? "Signing in…" : "Sign in"}</button>
    </form>
  </main>`;
}
