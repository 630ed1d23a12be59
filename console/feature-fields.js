// Fields of the features of a site. The server checks the values; its messages appear beside these fields.
import { check, checks, choice, inheritable, number, object, rows, text, variant, words } from "./values.js";

const variables = "May contain variables such as $host and $request_uri";
const revert = "Add a row, or use “Revert to inherited”";

/** True, false or null: the default of the web server, or the inherited value. */
const optional = (label, yes, no) => choice(label, [[null, "Inherited or default"], [true, yes], [false, no]]);

const defaultDocuments = object(["files", rows("Documents", "document", text("File name", { required: true }), {
  help: "Sent for a folder: the first that exists",
  isOrdered: true,
  minimum: 1,
  empty: revert,
})]);

const directoryBrowsing = object(
  ["enabled", check("List folders without a default document")],
  ["format", choice("Format", [[null, "Inherited or default"], ["html", "HTML page"], ["xml", "XML"], ["json", "JSON"], ["jsonp", "JSONP"]])],
  ["exact_size", optional("Sizes", "In bytes", "Rounded to KiB, MiB or GiB")],
  ["local_time", optional("Times", "Local time", "UTC")],
);

const errorPages = object(["pages", rows("Error pages", "error page", object(
  ["codes", words("Status codes", { isNumber: true, min: 300, max: 599, required: true, help: "300 to 599, for example 500 502 503" })],
  ["page", text("Page", { required: true, placeholder: "/errors/404.html", help: "Path in the site" })],
  ["response", number("Send with status", { min: 300, max: 599, size: "small", help: "Empty: the original one" })],
), { minimum: 1, empty: revert })]);

const redirect = object(
  ["target", text("Redirect all requests to", { required: true, placeholder: "https://www.example.com$request_uri", help: variables })],
  ["status", choice("Kind", [
    [301, "301 Moved permanently"],
    [302, "302 Found (temporary)"],
    [303, "303 See other"],
    [307, "307 Temporary, keeps the method"],
    [308, "308 Permanent, keeps the method"],
  ])],
);

const responseHeaders = object(["headers", rows("Headers", "header", object(
  ["name", text("Name", { required: true, placeholder: "X-Frame-Options" })],
  ["value", text("Value", { required: true, help: variables })],
  ["always", check("Also for error responses")],
), { help: "They replace all inherited headers", minimum: 1, empty: revert })]);

const mimeTypes = object(
  ["types", inheritable("Types of file name extensions", rows("Types", "type", object(
    ["media_type", text("Media type", { required: true, placeholder: "text/html" })],
    ["extensions", words("Extensions", { required: true, placeholder: "html htm", help: "Separated by spaces, without dots" })],
  ), { help: "They replace all inherited types", minimum: 1, empty: "Add a type, or choose the inherited ones" }))],
  ["default", text("Type of other files", { placeholder: "application/octet-stream", help: "Empty: inherited" })],
);

const compression = object(
  ["enabled", check("Compress responses")],
  ["level", number("Level", { min: 1, max: 9, size: "small", help: "1 (fast) to 9 (small); empty: inherited" })],
  ["minimum_size", number("Minimum size in bytes", { size: "small", help: "Empty: inherited" })],
  ["types", inheritable("Media types besides text/html", rows("Media types", "media type", text("Media type", { required: true, placeholder: "text/css" }), { minimum: 1 }))],
);

const ipRestrictions = object(["rules", rows("Rules", "rule", object(
  ["allow", choice("Mode", [[true, "Allow"], [false, "Deny"]], { size: "small" })],
  ["clients", text("Clients", { required: true, placeholder: "10.0.0.0/8", help: "all, an address or a network" })],
), { help: "The first rule that contains the client decides. Clients without a rule are allowed.", isOrdered: true, minimum: 1, empty: revert })]);

const noPassword = { realm: null, user_file: null };

const basicAuthentication = object(["", variant("Access", [
  { label: "Without a password", matches: (value) => !value?.realm, value: noPassword },
  {
    label: "With a user name and password",
    matches: (value) => Boolean(value?.realm),
    field: object(
      ["realm", text("Realm", { required: true, placeholder: "Members", help: "Text that browsers show" })],
      ["user_file", text("File with users", { placeholder: "/etc/nginx/users", help: "Names and password hashes, as written by htpasswd; empty: inherited" })],
      ["users", rows("Users", "user", object(
        ["name", text("User name", { required: true })],
        ["hash", text("New password hash", { placeholder: "$2a$14$…", help: "As printed by caddy hash-password; empty: the present one" })],
      ), { minimum: 1 })],
    ),
  },
])]);

const ssl = object(
  ["certificate", text("Certificate", { placeholder: "/etc/ssl/site.pem", help: "PEM file with the certificate and its chain; empty: inherited" })],
  ["key", text("Private key", { placeholder: "/etc/ssl/private/site.key", help: "PEM file; empty: inherited" })],
  ["protocols", inheritable("Versions of TLS", checks("Versions", [
    ["TLSv1.3", "TLS 1.3"],
    ["TLSv1.2", "TLS 1.2"],
    ["TLSv1.1", "TLS 1.1 (insecure)"],
    ["TLSv1", "TLS 1.0 (insecure)"],
  ]))],
  ["ciphers", text("Ciphers", { placeholder: "HIGH:!aNULL", help: "List in the format of OpenSSL; empty: inherited" })],
  ["prefer_server_ciphers", optional("Choice of the cipher", "By the server", "By the client")],
);

const limits = object(
  ["request_body", number("Maximum request body in bytes", { size: "small", help: "0: no limit; empty: inherited" })],
  ["keep_alive", number("Keep-alive in seconds", { size: "small", help: "Empty: inherited" })],
  ["header_timeout", number("Time for request headers in seconds", { size: "small", help: "Empty: inherited" })],
  ["body_timeout", number("Time between two reads of the request body in seconds", { size: "small", help: "Empty: inherited" })],
  ["send_timeout", number("Time between two writes of the response in seconds", { size: "small", help: "Empty: inherited" })],
  ["rate", number("Maximum rate in bytes per second", { size: "small", help: "0: no limit; empty: inherited" })],
);

const levels = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];

const logging = object(
  ["access", variant("Access log", [
    { label: "Inherited or default", matches: (value) => value == null, value: null },
    { label: "Off", matches: (value) => value != null && value.file === null, value: { file: null } },
    {
      label: "To a file",
      matches: (value) => Boolean(value?.file),
      field: object(
        ["file", text("File of the access log", { required: true, placeholder: "/var/log/nginx/site.access.log" })],
        ["format", text("Format", { placeholder: "combined", help: "Name of a format that the configuration defines; empty: combined" })],
      ),
    },
  ])],
  ["error", variant("Error log", [
    { label: "Inherited or default", matches: (value) => value == null, value: null },
    {
      label: "To a file",
      matches: (value) => value != null,
      field: object(
        ["file", text("File of the error log", { required: true, placeholder: "/var/log/nginx/site.error.log" })],
        ["level", choice("Lowest level", [[null, "Default (error)"], ...levels.map((level) => [level, level])], { size: "small" })],
      ),
    },
  ])],
);

/** Field of the value of each feature. */
export const featureFields = {
  "default-documents": defaultDocuments,
  "directory-browsing": directoryBrowsing,
  "error-pages": errorPages,
  redirect,
  "response-headers": responseHeaders,
  "mime-types": mimeTypes,
  compression,
  "ip-restrictions": ipRestrictions,
  "basic-authentication": basicAuthentication,
  ssl,
  limits,
  logging,
};
