// State that all pages share.
import { signal } from "@preact/signals";

/** The session, or null before sign-in. `undefined` until the server has answered. */
export const session = signal(undefined);
/** Path of the page that is shown. */
export const path = signal(location.pathname);
/** Message of the status bar: `{text, kind}` with kind `ok` or `error`. */
export const notice = signal(null);
/** A dialog that covers the page, or null: a component. */
export const dialog = signal(null);
/** The question for the password, over the page and its dialog, or null: `{content, cancel}`. */
export const elevation = signal(null);
/** Whether a form of the page has changes that were not applied. */
export const unsaved = signal(false);
/** Function that leaves a page with unsaved changes, for the user to confirm, or null. */
export const leaving = signal(null);
/** Actions of the page, for the pane at the right: `{label, run, kind}` each. */
export const actions = signal([]);
/** Text of the status bar: the file that the page describes. */
export const writes = signal("");
/** States of other machines by identifier, as pages have seen them last. */
export const machineStates = signal({});
/** Whether the navigation is open on a narrow window. */
export const menuOpen = signal(false);

const ranks = { delegated: 0, viewer: 1, operator: 2, administrator: 3 };

/** Returns whether the signed-in user has at least a role. */
export function hasRole(role) {
  return (ranks[session.value?.role] ?? -1) >= ranks[role];
}
