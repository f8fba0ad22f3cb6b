// Shows the OpenAPI description and sends what it describes. Everything from
// the description and from the server is put in as text, never as markup.
"use strict";

const ENCRYPT = "prepaidEncrypt";
const DECRYPT = "prepaidDecrypt";
const TXN_MEMBERS = { txnId: "TXN", clientTxnId: "CTX", txn: "VRF", upiRequestId: "STK" };
const TXN_PATTERN = /("(txnId|clientTxnId|txn|upiRequestId)"\s*:\s*")[^"\\]*(")/g;
const SECRET = "Checksum secret";
const SESSION = "X-Kunji-Session";
const FORMS_OPEN_MAX = 3;
const SEND_TIMEOUT_MS = 30_000;
const DEPTH_MAX = 8;

let api = null;
let operations = [];
const drafts = new Map();
/** What earlier answers told: the session, and the capture that waits. */
const kept = { session: "", capture: "" };

const byId = (id) => document.getElementById(id);

/** Makes an element; a child is a node or a text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Follows `$ref` within the description; members beside it win. */
function resolve(node) {
  for (let hops = 0; node && typeof node.$ref === "string" && hops < DEPTH_MAX; hops += 1) {
    const { $ref, ...beside } = node;
    let target = api;
    for (const part of $ref.slice(2).split("/")) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target = target && Object.hasOwn(target, name) ? target[name] : undefined;
    }
    node = { ...target, ...beside };
  }
  return node ?? {};
}

const pretty = (value) => JSON.stringify(value, null, 2);

function parseJson(text) {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return null;
  }
}

/** Text with `code` in back ticks. */
function inline(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

/** Paragraphs and plain lists, which is all the description uses. */
function prose(text, attributes = {}) {
  const box = el("div", attributes);
  for (const block of (text ?? "").split(/\n\s*\n/)) {
    const lines = block.split("\n").filter((line) => line.trim());
    const items = lines.filter((line) => line.startsWith("- "));
    const rest = lines.filter((line) => !line.startsWith("- "));
    if (rest.length) box.append(el("p", {}, ...inline(rest.join(" "))));
    if (items.length) box.append(el("ul", {}, ...items.map((item) => el("li", {}, ...inline(item.slice(2))))));
  }
  return box;
}

/** Named examples of a parameter, a body or an extension, in their order. */
function examplesOf(holder) {
  if (holder?.examples) {
    return Object.entries(holder.examples).map(([name, example]) => ({ name, ...resolve(example) }));
  }
  return holder && "example" in holder ? [{ name: "example", value: holder.example }] : [];
}

function readOperations() {
  const list = [];
  const webhooks = Object.entries(api.webhooks ?? {}).map(([name, item]) => [name, item, true]);
  for (const [path, item, webhook = false] of [...Object.entries(api.paths), ...webhooks]) {
    for (const [method, operation] of Object.entries(item)) {
      if (!["get", "post", "put", "patch", "delete"].includes(method)) continue;
      const content = operation.requestBody?.content?.["application/json"];
      const haystack = [path, method, operation.operationId, operation.summary, pretty(operation)];
      list.push({
        ...operation,
        id: operation.operationId,
        path,
        webhook,
        method: method.toUpperCase(),
        parameters: (operation.parameters ?? []).map(resolve),
        secured: (operation.security ?? api.security ?? []).some((one) => "bearer" in one),
        body: operation["x-kunji-inner-request"] ?? content ?? null,
        outer: operation["x-kunji-inner-request"] ? content : null,
        checksum: operation["x-kunji-checksum"] ?? null,
        haystack: haystack.join("\n").toLowerCase(),
      });
    }
  }
  return list;
}

// The list of operations.

function showList() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = operations.filter((one) => words.every((word) => one.haystack.includes(word)));
  const current = currentOperation();
  const groups = api.tags.map((tag) => {
    const members = hits.filter((one) => one.tags.includes(tag.name));
    if (!members.length) return null;
    const links = members.map((one) =>
      el("li", {}, el("a", { href: `#${one.id}`, "aria-current": one === current && "page", title: one.path },
        el("span", { class: "method" }, one.method), el("span", {}, one.summary))));
    return el("section", {}, el("h2", {}, tag.name), el("ul", {}, ...links));
  });
  byId("operations").replaceChildren(...groups.filter(Boolean));
  byId("found").textContent = words.length ? `${hits.length} of ${operations.length} operations` : "";
}

function currentOperation() {
  return operations.find((one) => one.id === location.hash.slice(1)) ?? null;
}

// What is said of an operation.

function typeText(schema) {
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (areValues(schema.anyOf)) return schema.anyOf.map(typeText).join(", ");
  if (type === "array") return `array of ${typeText(resolve(schema.items))}`;
  return [type ?? "any", schema.format, limitsText(schema)].filter(Boolean).join(", ");
}

/** Whether the forms are plain values, which need no list of their own. */
function areValues(forms) {
  return forms?.every((form) => form.enum) ?? false;
}

function limitsText(schema) {
  const limits = [];
  if (schema.pattern) limits.push(`pattern ${schema.pattern}`);
  if (schema.minLength > 1 && schema.minLength === schema.maxLength) limits.push(`${schema.minLength} characters`);
  else if (schema.minLength > 1 || schema.maxLength) limits.push(`${schema.minLength ?? 0} to ${schema.maxLength ?? "any"} characters`);
  else if (schema.minLength === 1) limits.push("not empty");
  if (schema.minProperties) limits.push(`at least ${schema.minProperties} member`);
  return limits.join(", ");
}

/** A schema's members, one under the other. */
function showMembers(schema, depth = 0) {
  const whole = resolve(schema);
  if (depth > DEPTH_MAX) return null;
  const forms = whole.anyOf ?? whole.oneOf;
  if (areValues(forms)) return null;
  if (forms) {
    const shown = forms.map((form, at) => el("li", {}, ...showForm(form, at, depth, forms.length > FORMS_OPEN_MAX)));
    return el("ul", { class: "members" }, ...shown);
  }
  if (whole.allOf) {
    const { allOf, ...own } = whole;
    const parts = allOf.flatMap((part) => [showMembers(part, depth + 1), prose(resolve(part).description)]);
    return el("div", {}, ...[showMembers(own, depth), ...parts].filter(Boolean));
  }
  if (whole.type === "array") return showMembers(whole.items, depth + 1);
  if (!whole.properties) return null;
  const required = new Set(whole.required ?? []);
  const rows = Object.entries(whole.properties).map(([name, member]) => {
    const inner = resolve(member);
    return showMember(name, inner, required.has(name), showMembers(inner.contentSchema ?? inner, depth + 1));
  });
  return el("ul", { class: "members" }, ...rows);
}

/** One of several forms; of many, only the title until it is opened. */
function showForm(form, at, depth, folded) {
  const { title, description } = resolve(form);
  const name = el("span", { class: title ? "name" : "type" }, title ?? `Form ${at + 1}`);
  const told = [prose(description), showMembers(form, depth + 1)].filter(Boolean);
  return folded ? [fold([name], ...told)] : [name, ...told];
}

function showMember(name, schema, required, inner, description = schema.description) {
  return el("li", {}, el("span", { class: "name" }, name), el("span", { class: "type" }, typeText(schema)),
    required ? el("span", { class: "required" }, "required") : null,
    description ? prose(description) : null, inner);
}

function showParameters(operation) {
  if (!operation.parameters.length && !operation.secured) return null;
  const rows = operation.parameters.map((one) =>
    showMember(`${one.name} (${one.in})`, one.schema, one.required, null, one.description));
  if (operation.secured) {
    const scheme = api.components.securitySchemes.bearer;
    rows.unshift(showMember("Authorization (header)", { type: "Bearer key" }, true, null, scheme.description));
  }
  return el("section", {}, el("h2", {}, "Parameters"), el("ul", { class: "members" }, ...rows));
}

function showBodies(operation) {
  if (!operation.body) return null;
  const parts = [el("h2", {}, operation.outer ? "Request, within the token" : "Request body")];
  const { description } = resolve(operation.body.schema);
  if (description) parts.push(prose(description));
  parts.push(showMembers(operation.body.schema) ?? el("p", {}, "Any JSON object."));
  if (operation.webhook) parts.push(...exampleBlocks(operation.body));
  if (operation.outer) {
    parts.push(fold([el("span", {}, "The body that carries it")], showMembers(operation.outer.schema), ...exampleBlocks(operation.outer)));
  }
  return el("section", {}, ...parts);
}

function fold(summary, ...content) {
  return el("details", { class: "fold" }, el("summary", {}, ...summary), el("div", {}, ...content));
}

function exampleBlocks(holder) {
  return examplesOf(holder).flatMap((example) => {
    const text = typeof example.value === "string" ? example.value : pretty(example.value);
    return [el("h3", {}, `Example: ${example.summary ?? example.name}`), el("pre", { tabindex: "0" }, text)];
  });
}

/** The number of a status, or the first of a range; `default` stands for failures. */
const statusNumber = (text) => (text === "default" ? 400 : Number(text.replaceAll("X", "0")));

const tone = (status) => (status < 300 ? "good" : status < 500 ? "warn" : "bad");

function showResponses(operation) {
  const folds = Object.entries(operation.responses).map(([status, reference]) => {
    const response = resolve(reference);
    const content = [];
    for (const [name, header] of Object.entries(response.headers ?? {})) {
      content.push(el("ul", { class: "members" }, showMember(`${name} (header)`, resolve(header).schema, false, null, header.description)));
    }
    for (const [media, holder] of Object.entries(response.content ?? {})) {
      content.push(el("p", { class: "quiet" }, media), showMembers(holder.schema), ...exampleBlocks(holder));
    }
    if (!content.length) content.push(el("p", { class: "quiet" }, "No body is promised."));
    const label = [el("span", { class: `status ${tone(statusNumber(status))}` }, status), "  ", ...inline(response.description)];
    return fold(label, ...content);
  });
  const inner = operation["x-kunji-inner-response"];
  if (inner) {
    folds.push(el("h2", {}, "Response, within the token"), showMembers(inner.schema),
      fold([`Examples (${examplesOf(inner).length})`], ...exampleBlocks(inner)));
  }
  return el("section", {}, el("h2", {}, "Responses"), ...folds);
}

// Trying an operation.

function freshId(member) {
  // The ids of the UPI APIs have 35 letters and digits.
  const bytes = crypto.getRandomValues(new Uint8Array(member === "upiRequestId" ? 16 : 10));
  return TXN_MEMBERS[member] + hex(bytes).toUpperCase();
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const withFreshIds = (text) =>
  text.replace(TXN_PATTERN, (_, before, member, after) => before + freshId(member) + after);

/** What the form holds, kept while the page is open. */
function draftOf(operation) {
  if (!drafts.has(operation.id)) {
    const draft = { values: {}, body: "", example: 0, renew: true };
    for (const one of operation.parameters) draft.values[one.name] = String(examplesOf(one)[0]?.value ?? "");
    if (operation.checksum) draft.values[SECRET] = operation.checksum.secret;
    if (operation.secured) draft.values.Authorization = api.components.securitySchemes.bearer["x-kunji-example"] ?? "";
    drafts.set(operation.id, draft);
    takeExample(operation, draft, 0);
  }
  return drafts.get(operation.id);
}

function takeExample(operation, draft, at) {
  const example = examplesOf(operation.body)[at];
  draft.example = at;
  draft.body = example ? pretty(example.value) : "";
  fill(operation, draft);
}

/** Puts in what earlier answers told, then what the example says of headers. */
function fill(operation, draft) {
  for (const one of operation.parameters) {
    const value = kept[one["x-kunji-kept"]];
    if (value) draft.values[one.name] = value;
  }
  Object.assign(draft.values, examplesOf(operation.body)[draft.example]?.["x-kunji-headers"]);
}

/** Keeps the session and the capture of an answer for the calls that follow. */
function keep({ response, json }) {
  const session = response.headers.get(SESSION);
  const capture = json?.value?.payload?.captureId;
  if (session) kept.session = session;
  if (typeof capture === "string") kept.capture = capture;
  for (const operation of operations) {
    if ((session || capture) && drafts.has(operation.id)) fill(operation, drafts.get(operation.id));
  }
}

/** The request that the draft stands for; an empty header is not sent. */
function requestOf(operation, draft) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const one of operation.parameters) {
    const value = draft.values[one.name] ?? "";
    if (one.in === "path") path = path.replace(`{${one.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (one.in === "query") query.set(one.name, value);
    else headers[one.name] = value;
  }
  if (operation.secured && draft.values.Authorization) headers.Authorization = `Bearer ${draft.values.Authorization}`;
  if (operation.body) headers["Content-Type"] = "application/json";
  const search = query.toString() ? `?${query}` : "";
  return { method: operation.method, url: path + search, headers, body: operation.body ? draft.body : undefined };
}

/** The request with its checksum, made now, unless it proves its sender in another way. */
async function proven(operation, draft, request) {
  const { headers, body } = request;
  const secret = draft.values[SECRET];
  const others = ["x-merchant-checksum", "x-merchant-signature"].some((name) => name in headers);
  if (!operation.checksum || !secret || others || parseJson(body)?.value?.protected) return request;
  if (!crypto.subtle) throw new Error("checksums can be made here over HTTPS or on this machine only");
  const timestamp = headers["x-timestamp"] ?? String(Date.now());
  const utf8 = new TextEncoder();
  const covered = utf8.encode((headers["x-merchant-id"] ?? "") + (headers["x-merchant-channel-id"] ?? "") + timestamp + body);
  const key = await crypto.subtle.importKey("raw", utf8.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const checksum = hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, covered)));
  return { ...request, headers: { ...headers, "x-timestamp": timestamp, "x-merchant-checksum": checksum } };
}

/** A request to one of the token helpers, under the same client headers. */
function helperRequest(id, headers, body) {
  const helper = operations.find((one) => one.id === id);
  const names = new Set(["Content-Type", ...helper.parameters.map((one) => one.name)]);
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => names.has(name)));
  return { method: helper.method, url: helper.path, headers: own, body };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curlPart(request, data, flags) {
  const lines = [`curl ${flags} -X ${request.method} ${quoted(location.origin + request.url)}`];
  if (request.method === "GET") lines[0] = `curl ${flags} ${quoted(location.origin + request.url)}`;
  for (const [name, value] of Object.entries(request.headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (data) lines.push(data);
  return lines.join(" \\\n  ");
}

/** The same as a command; a token call becomes three commands in a row. */
async function curlOf(operation, draft) {
  const request = await proven(operation, draft, requestOf(operation, draft));
  const data = request.body === undefined ? null : `--data-raw ${quoted(request.body)}`;
  if (!operation.outer) return curlPart(request, data, "-i");
  const { headers } = request;
  return [
    curlPart(helperRequest(ENCRYPT, headers), data, "-s"),
    curlPart(request, "--data-binary @-", "-s"),
    curlPart(helperRequest(DECRYPT, headers), "--data-binary @-", "-s"),
  ].join(" \\\n| ");
}

async function exchange(request) {
  const began = performance.now();
  const response = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    body: request.body,
    cache: "no-store",
    credentials: "omit",
    redirect: "manual",
    signal: AbortSignal.timeout(SEND_TIMEOUT_MS),
  });
  const text = await response.text();
  return { request, response, text, json: parseJson(text), ms: performance.now() - began };
}

/** Sends the request; a token call goes through the encrypt and decrypt helpers. */
async function run(operation, request) {
  if (!operation.outer) return { answer: await exchange(request) };
  const sealed = await exchange(helperRequest(ENCRYPT, request.headers, request.body));
  const token = sealed.json?.value?.token;
  if (!sealed.response.ok || typeof token !== "string") return { answer: sealed, failed: "encrypt" };
  const answer = await exchange({ ...request, body: JSON.stringify({ token }) });
  if (typeof answer.json?.value?.token !== "string") return { answer };
  const body = JSON.stringify({ token: answer.json.value.token });
  return { answer, opened: await exchange(helperRequest(DECRYPT, request.headers, body)) };
}

const bodyText = (exchanged) => (exchanged.json ? pretty(exchanged.json.value) : exchanged.text) || "(empty)";

function block(title, text) {
  return [el("h3", {}, title), el("pre", { class: "wrap", tabindex: "0" }, text)];
}

/** The JSON in `data` of a successful change, which is base64. */
function decodedData(exchanged) {
  const data = exchanged.json?.value?.SetResetMPINResponseBody?.data;
  if (typeof data !== "string") return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
    const json = parseJson(text);
    return json ? pretty(json.value) : text;
  } catch {
    return "(not base64)";
  }
}

function statusText({ response }) {
  return [response.status, response.statusText].filter(Boolean).join(" ");
}

function showResult({ answer, opened, failed }) {
  const parts = [];
  if (failed) {
    const hint = answer.response.status === 404 ? " Only the sandbox has the helpers for tokens." : "";
    parts.push(el("p", {}, `The encrypt helper gave no token, so the call was not sent.${hint}`));
  }
  parts.unshift(el("p", { class: `outcome ${tone(answer.response.status)}` }, `${statusText(answer)} in ${answer.ms.toFixed(1)} ms`));
  if (opened) parts.push(...block(`Decrypted answer (helper: ${statusText(opened)})`, bodyText(opened)));
  parts.push(...block(opened ? "Token answer" : "Body", bodyText(answer)));
  const page = answer.json?.value?.payload?.captureUrl;
  if (/^https?:/.test(page)) parts.push(el("p", {}, el("a", { href: page, target: "_blank", rel: "noopener" }, "Open the page of this capture")));
  const data = decodedData(answer);
  if (data !== null) parts.push(...block("data, decoded", data));
  const pairs = [...answer.response.headers].flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  parts.push(el("h3", {}, "Response headers"), el("dl", { class: "headers" }, ...pairs));
  if (answer.request.body) parts.push(fold(["Body as sent"], el("pre", { class: "wrap", tabindex: "0" }, answer.request.body)));
  return parts;
}

function showFailure(error) {
  const late = error.name === "TimeoutError";
  const text = late ? `No answer within ${SEND_TIMEOUT_MS / 1000} seconds: the outcome is unknown.` : `The request could not be sent: ${error.message}`;
  return [el("p", { class: "outcome bad" }, text)];
}

function copy(text, button, source) {
  const say = (done) => {
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  const select = () => {
    getSelection().selectAllChildren(source);
    say(false);
  };
  if (!navigator.clipboard) return select();
  return navigator.clipboard.writeText(text).then(() => say(true), select);
}

function field(label, hint, control) {
  const id = `field-${label.replace(/[^A-Za-z0-9]+/g, "-")}`;
  control.id = id;
  if (hint) control.setAttribute("aria-describedby", `${id}-hint`);
  return el("div", { class: "field" }, el("label", { for: id }, label),
    hint ? el("p", { class: "quiet", id: `${id}-hint` }, ...inline(hint)) : null, control);
}

function parameterField(one, draft, changed) {
  const input = el("input", { class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "off",
    name: one.name, required: one.in === "path", oninput: (event) => { draft.values[one.name] = event.target.value; changed(); } });
  const group = field(`${one.name}${one.required ? "" : " (optional)"}`, one.description, input);
  const choices = one.schema?.enum?.map((value) => ({ value })) ?? one.choices ?? [];
  if (choices.length) {
    const list = el("datalist", { id: `${input.id}-list` },
      ...choices.map((choice) => el("option", { value: choice.value, label: choice.summary })));
    input.setAttribute("list", list.id);
    group.append(list);
  }
  return { group, refresh: () => { input.value = draft.values[one.name] ?? ""; } };
}

function bodyFields(operation, draft, changed, refresh) {
  const editor = el("textarea", { spellcheck: "false", autocomplete: "off", autocapitalize: "off", rows: "18", name: "body",
    oninput: (event) => { draft.body = event.target.value; changed(); } });
  const put = (text) => { draft.body = text; refresh(); };
  const format = () => {
    const json = parseJson(draft.body);
    if (json) put(pretty(json.value));
  };
  const examples = examplesOf(operation.body);
  const parts = [];
  const note = el("p", { class: "quiet" });
  if (examples.length > 1) {
    const options = examples.map((one, at) => el("option", { value: at, selected: at === draft.example }, one.summary ?? one.name));
    const choose = (event) => { takeExample(operation, draft, Number(event.target.value)); refresh(); };
    parts.push(field("Example", null, el("select", { onchange: choose }, ...options)), note);
  }
  if (examples.some((one) => one.value?.payload?.signaturePayload)) parts.push(signatureField(draft, put));
  parts.push(field(operation.outer ? "Inner JSON" : "Body", operation.outer ? "It is made into a token before it is sent." : null, editor));
  const buttons = [el("button", { type: "button", onclick: format }, "Format"),
    el("button", { type: "button", onclick: () => { takeExample(operation, draft, draft.example); refresh(); } }, "Back to the example")];
  if (examples.some((one) => pretty(one.value).search(TXN_PATTERN) >= 0)) {
    buttons.unshift(el("button", { type: "button", onclick: () => put(withFreshIds(draft.body)) }, "New transaction ID"));
    const tick = el("input", { type: "checkbox", id: "renew", checked: draft.renew, onchange: (event) => { draft.renew = event.target.checked; } });
    parts.push(el("div", { class: "row" }, ...buttons),
      el("p", { class: "tick" }, tick, el("label", { for: "renew" }, "New transaction ID after each answer, unless the outcome is unknown (429, 500, 503)")));
  } else {
    parts.push(el("div", { class: "row" }, ...buttons));
  }
  const refreshAll = () => {
    editor.value = draft.body;
    note.replaceChildren(...inline(examples[draft.example]?.description ?? ""));
    note.hidden = !note.textContent;
  };
  return { parts, refresh: refreshAll };
}

/** Takes the members that a command printed, and puts them into the payload. */
function signatureField(draft, put) {
  const input = el("input", { class: "mono", autocomplete: "off", spellcheck: "false", autocapitalize: "off", oninput: () => {
    const text = input.value.trim();
    const members = parseJson(text.startsWith("{") ? text : `{${text}}`)?.value;
    const body = parseJson(draft.body)?.value;
    if (!members?.signature || !body?.payload) return;
    // A session beside a signature would have to be a good one of the same customer.
    draft.values[SESSION] = "";
    input.value = "";
    put(pretty({ ...body, payload: { ...body.payload, ...members } }));
  } });
  return field("Signature (optional)", "Paste what `kunji sign v2 --sandbox --customer 1234567` prints: it goes into the payload below.", input);
}

function showTry(operation) {
  const draft = draftOf(operation);
  const command = el("pre", { class: "wrap", tabindex: "0" });
  let turn = 0;
  const changed = async () => {
    const mine = ++turn;
    const text = await curlOf(operation, draft).catch((error) => `No command: ${error.message}.`);
    if (mine === turn) command.textContent = text;
  };
  const refreshers = [];
  const refresh = () => { refreshers.forEach((one) => one()); changed(); };
  const wanted = operation.parameters.map((one) => ({ ...one, choices: one.examples ? examplesOf(one) : [] }));
  if (operation.secured) wanted.unshift({ name: "Authorization", in: "header", required: true, description: "The key after `Bearer`." });
  if (operation.checksum) wanted.push({ name: SECRET, description: "Never sent: `x-timestamp` and `x-merchant-checksum` are made from it when they are empty." });
  const fields = wanted.map((one) => parameterField(one, draft, changed));
  const body = operation.body ? bodyFields(operation, draft, changed, refresh) : null;
  refreshers.push(...fields.map((one) => one.refresh), ...(body ? [body.refresh] : []));

  const send = el("button", { type: "submit", class: "send" }, "Send");
  const result = el("div", {});
  const outcome = el("div", {});
  const spoken = el("p", { class: "quiet", role: "status" });
  outcome.append(spoken, result);
  let busy = false;
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    send.setAttribute("aria-disabled", "true");
    spoken.textContent = "Sending.";
    try {
      const done = await run(operation, await proven(operation, draft, requestOf(operation, draft)));
      keep(done.answer);
      result.replaceChildren(...showResult(done));
      spoken.textContent = `Answered with status ${done.answer.response.status}.`;
      const unknown = [429, 500, 503].includes(done.answer.response.status);
      if (draft.renew && !done.failed && !unknown) draft.body = withFreshIds(draft.body);
      refresh();
    } catch (error) {
      result.replaceChildren(...showFailure(error));
      spoken.textContent = "No answer.";
    }
    outcome.scrollIntoView({ block: "nearest" });
    busy = false;
    send.removeAttribute("aria-disabled");
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
  };
  const copyButton = el("button", { type: "button", onclick: () => copy(command.textContent, copyButton, command) }, "Copy");
  const form = el("form", { onsubmit: submit, onkeydown: keys, autocomplete: "off", "aria-label": "Try it" },
    ...fields.map((one) => one.group), ...(body?.parts ?? []),
    el("div", { class: "row" }, send, el("span", { class: "quiet" }, operation.body ? "or Ctrl+Enter" : "")));
  refresh();
  return el("section", { class: "try", "aria-labelledby": "try-title" }, el("h2", { id: "try-title" }, "Try it"), form, outcome,
    el("div", { class: "row" }, el("h3", {}, "As a curl command"), copyButton), command);
}

// The page.

function showOperation(operation) {
  const attempt = operation.webhook ? null : showTry(operation);
  const jump = () => {
    attempt.scrollIntoView();
    attempt.querySelector("input, select, textarea, button").focus({ preventScroll: true });
  };
  const head = el("div", { class: "head" }, el("h1", { tabindex: "-1" }, operation.summary),
    el("p", { class: "route" }, el("b", {}, operation.method), operation.webhook ? "to the address of the webhook" : operation.path),
    prose(operation.description),
    attempt ? el("p", { class: "jump" }, el("button", { type: "button", onclick: jump }, "Go to Try it")) : null);
  const told = el("div", {}, ...[showParameters(operation), showBodies(operation), showResponses(operation)].filter(Boolean));
  const sheet = el("article", { class: "sheet" }, head, told, ...[attempt].filter(Boolean));
  byId("main").replaceChildren(sheet);
  document.title = `${operation.summary} - ${api.info.title} API`;
}

function showOverview() {
  const cards = api.tags.map((tag) => {
    const links = operations.filter((one) => one.tags.includes(tag.name))
      .map((one) => el("li", {}, el("a", { href: `#${one.id}` }, one.summary)));
    return el("li", {}, el("h2", {}, tag.name), prose(tag.description), el("ul", {}, ...links));
  });
  byId("main").replaceChildren(el("h1", { tabindex: "-1" }, `${api.info.title} API`),
    prose(api.info.description), el("ul", { class: "cards" }, ...cards));
  document.title = `${api.info.title} API`;
}

const isNarrow = () => matchMedia("(max-width: 59.99rem)").matches;

function show() {
  const operation = currentOperation();
  if (operation) showOperation(operation);
  else showOverview();
  showList();
}

function navigate() {
  if (location.hash === "#main") return;
  show();
  if (isNarrow()) byId("menu").open = false;
  scrollTo(0, 0);
  byId("main").querySelector("h1").focus({ preventScroll: true });
}

async function start() {
  try {
    const response = await fetch("/openapi.json", { credentials: "omit" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    api = await response.json();
  } catch (error) {
    byId("main").replaceChildren(el("p", { role: "alert" }, `The description could not be loaded: ${error.message}`));
    return;
  }
  operations = readOperations();
  byId("version").textContent = api.info.version;
  byId("menu").open = !isNarrow();
  matchMedia("(max-width: 59.99rem)").addEventListener("change", () => { byId("menu").open = !isNarrow(); });
  byId("search").addEventListener("input", showList);
  addEventListener("hashchange", navigate);
  show();
}

start();
