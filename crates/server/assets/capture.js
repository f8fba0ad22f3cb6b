// Takes an OTP and MPINs digit by digit, encrypts them in the browser and
// sends ciphertext only. Digits live in byte arrays that are overwritten; the
// document shows how many there are, never which.

const SEND_TIMEOUT_MS = 30_000;
const WAIT_MAX_S = 60;
/** When the remaining time is said aloud, in seconds. */
const SAY_AT_S = [120, 60, 30, 10];
const LATE_S = 60;
const MARK_CODE = "KUNJI";

const utf8 = new TextEncoder();
const byId = (id) => document.getElementById(id);
const view = byId("capture").dataset;

/** The digits of one field, as ASCII bytes. */
class Digits {
  #bytes;
  #count = 0;

  constructor(length) {
    this.#bytes = new Uint8Array(length);
  }

  get count() { return this.#count; }
  get length() { return this.#bytes.length; }
  get full() { return this.#count === this.#bytes.length; }

  press(digit) {
    if (this.full) return false;
    this.#bytes[this.#count] = 48 + digit;
    this.#count += 1;
    return true;
  }

  drop() {
    if (this.#count === 0) return false;
    this.#count -= 1;
    this.#bytes[this.#count] = 0;
    return true;
  }

  wipe() {
    this.#bytes.fill(0);
    this.#count = 0;
  }

  same(other) {
    return this.#bytes.length === other.#bytes.length && this.#bytes.every((byte, at) => byte === other.#bytes[at]);
  }

  /** Whether each digit follows the one before by the same step: 1111, 1234, 4321. */
  get inARow() {
    const step = this.#bytes[1] - this.#bytes[0];
    return Math.abs(step) <= 1 && this.#bytes.every((byte, at) => at === 0 || byte - this.#bytes[at - 1] === step);
  }

  /** `before`, the digits and `after` as one array, which the caller overwrites. */
  between(before, after) {
    const [head, tail] = [utf8.encode(before), utf8.encode(after)];
    const all = new Uint8Array(head.length + this.length + tail.length);
    all.set(head);
    all.set(this.#bytes, head.length);
    all.set(tail, head.length + this.length);
    return all;
  }
}

// What is asked, and how each answer is said.

const pinLength = Number(view.pinLength);
const otpLength = Number(view.otpLength);
const rise = "123456789".slice(0, pinLength);

const otp = {
  type: "OTP", sub: "SMS", digits: new Digits(otpLength), what: "the OTP", prompt: "Enter the OTP",
  hint: `The ${otpLength}-digit code sent by SMS to your registered mobile number.`,
};
const current = {
  type: "PIN", sub: "MPIN", digits: new Digits(pinLength), what: "the MPIN", prompt: "Enter your current MPIN",
  hint: `The ${pinLength}-digit MPIN that you use now.`,
};
const chosen = (sub) => ({
  type: "PIN", sub, digits: new Digits(pinLength), what: "the new MPIN", prompt: "Choose a new MPIN", isNew: true,
  hint: `${pinLength} digits. Not in a row like ${rise}, not all the same, not your date of birth.`,
});
const repeated = {
  digits: new Digits(pinLength), what: "the new MPIN", prompt: "Enter the new MPIN again", isRepeat: true,
  hint: "So that a slip of the finger does not lock you out.",
};
const asked = {
  ...current, prompt: "Enter your MPIN",
  hint: `The ${pinLength}-digit MPIN of this account. The app then shows your balance.`,
};

const KINDS = {
  "set-mpin": {
    steps: [otp, chosen("MPIN"), repeated], send: "Set MPIN",
    done: ["Your MPIN is set", "You can use it for UPI payments from this account now."], kept: "Your MPIN was not set.",
  },
  "change-mpin": {
    steps: [current, chosen("NMPIN"), repeated], send: "Change MPIN",
    done: ["Your MPIN is changed", "From now on only the new MPIN works."], kept: "Your MPIN is still the old one.",
  },
  "check-balance": {
    steps: [asked], send: "Check balance",
    done: ["Your MPIN is correct", "Your balance is waiting in the app."], kept: "Your balance was not read.",
  },
};
const kind = KINDS[view.kind];

const APP = "Go back to the app.";
const RESTART = "Go back to the app and start again.";
const BRANCH = "Please call the bank or visit a branch. Use the number on the back of your card.";
const OUTCOMES = {
  "00": ["good", ...kind.done, `You can close this page. ${APP}`],
  ZM: ["bad", "The MPIN is wrong", `${kind.kept} After several wrong entries the bank blocks the MPIN for a while.`,
    `${RESTART} If you forgot your MPIN, choose “Forgot MPIN” or “Set MPIN” there.`],
  Z6: ["bad", "Your MPIN is blocked", `There were too many wrong entries. ${kind.kept}`,
    "Try again tomorrow, or set a new MPIN with your debit card in the app."],
  AM: ["warn", "There is no MPIN yet", "No MPIN was ever set for this account.",
    "Go back to the app and set an MPIN with your debit card first."],
  RM: ["bad", "Choose another MPIN", `The bank did not accept this one. ${kind.kept}`,
    `${RESTART} Use digits that are not in a row, not all the same, not your date of birth, and not one of your last three MPINs.`],
  RN: ["bad", "No more tries today", `The MPIN was set, or tried, too often today. ${kind.kept}`,
    "Try again tomorrow. If this was not you, call the bank at once."],
  ZR: ["bad", "The OTP is wrong", `It is not the code of the latest SMS. ${kind.kept}`,
    `${RESTART} Use the code of the newest SMS only.`],
  ZS: ["warn", "The OTP is too old", `It expired before it arrived. ${kind.kept}`,
    `${RESTART} You will get a new code by SMS.`],
  ZT: ["bad", "Too many wrong OTPs", `This code does not work any more. ${kind.kept}`,
    `${RESTART} You will get a new code by SMS.`],
  XN: ["bad", "The card was not found", `The debit card number or its expiry date does not fit this account. ${kind.kept}`,
    "Go back to the app and check the last six digits and the expiry date of your card."],
  XL: ["bad", "Your debit card has expired", kind.kept, "Go back to the app and use your new card. If you have none, ask the bank for one."],
  XR: ["bad", "Your debit card is blocked", `It cannot be used at present. ${kind.kept}`, BRANCH],
  AJ: ["warn", "Your debit card is not active", `It was never used. ${kind.kept}`,
    "Use the card at an ATM or activate it with the bank, then start again in the app."],
  XH: ["bad", "The account was not found", `The bank does not find this account. ${kind.kept}`,
    "Go back to the app and link your account again."],
  B1: ["bad", "Your mobile number has changed", `The number at the bank is not the one of the app. ${kind.kept}`,
    "Register in the app again with the number that the bank knows."],
  U54: ["bad", "This could not be read", `What was sent does not fit this request. ${kind.kept}`,
    `${RESTART} Check that the date and time of your phone are set automatically.`],
  U66: ["bad", "This device is not registered", `The request came from another device. ${kind.kept}`,
    "Register this phone in the app, then start again."],
  U01: ["bad", "This was sent before", "The same request was used for something else.", RESTART],
  U90: ["warn", "The bank did not answer in time", "It is not known yet whether this was done.",
    "Check in the app before you try again."],
  JP_001: ["warn", "Your time is over", `You did not finish in time. ${kind.kept}`, RESTART],
  JP_002: ["calm", "You stopped", kind.kept, `You can close this page. ${APP}`],
  JP_019: ["bad", "Your entry was not used", "It does not fit this request, or the request was answered before.",
    "Check in the app before you start again."],
  closed: ["calm", "This page is closed", "This request was answered, cancelled, or its time is over.",
    "Go back to the app: it shows the result. If it does not, start again there."],
  refused: ["bad", "This was not accepted", "The bank's server could not take what was sent.",
    "Check in the app before you start again."],
  noKey: ["bad", "This page is too old", `The bank has changed its key since. ${kind.kept}`, RESTART],
  noCrypto: ["bad", "This browser cannot encrypt", "Your digits leave this page encrypted only, and here that is not possible.",
    "Update your browser or your app, or open this page over https."],
};
const FAILED = ["bad", "The bank refused this", kind.kept, RESTART];
const UNKNOWN = ["warn", "The result is not known", "The answer could not be read.", "Check in the app before you try again."];

// The time that is left.

/** Counts on through sleep, which `performance.now()` may not. */
const passedMs = (since) => Math.max(performance.now() - since.steady, Date.now() - since.wall);
const mark = () => ({ steady: performance.now(), wall: Date.now() });

const opened = mark();
let phase = "entering";
let saidAt = Infinity;

function leftS() {
  return Math.max(0, Math.ceil((Number(view.expiresInMs) - passedMs(opened)) / 1000));
}

function tick() {
  if (phase !== "entering") return;
  const left = leftS();
  byId("left").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  byId("timer").classList.toggle("late", left <= LATE_S);
  const due = SAY_AT_S.findLast((at) => left <= at);
  if (due !== undefined && due < saidAt && left > 0) {
    say(left > 60 ? `${Math.round(left / 60)} minutes left.` : `${left} seconds left.`);
  }
  saidAt = Math.min(saidAt, due ?? Infinity);
  if (left === 0) finish("JP_001");
}

function say(text) {
  byId("said").textContent = text;
}

// The three views: entry, waiting, end.

function show(id) {
  for (const one of ["entry", "waiting", "end"]) byId(one).hidden = one !== id;
}

function wipeAll() {
  for (const step of kind.steps) step.digits.wipe();
  drawDots();
}

function finish(code, outcome = OUTCOMES[code] ?? FAILED) {
  phase = "over";
  wipeAll();
  if (byId("stop").open) byId("stop").close();
  const [tone, title, text, next] = outcome;
  byId("end").dataset.tone = tone;
  byId("end-title").textContent = title;
  byId("end-text").textContent = text;
  byId("end-then").textContent = next;
  const told = /^([0-9A-Z]{2,3}|JP_\d{3})$/.test(code);
  byId("end-code").textContent = told ? `If you call the bank: code ${code}, reference ${view.txn}` : "";
  document.title = document.title.replace(/^.*?(?= - )/, title);
  say("");
  show("end");
  byId("end-title").focus();
  scrollTo(0, 0);
}

let at = 0;

const step = () => kind.steps[at];

function complain(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = !text;
  byId("hint").hidden = Boolean(text);
}

function drawDots() {
  const { count, length, full } = step().digits;
  const dots = byId("dots");
  while (dots.children.length > length) dots.lastChild.remove();
  while (dots.children.length < length) dots.append(document.createElement("span"));
  [...dots.children].forEach((dot, nth) => dot.classList.toggle("filled", nth < count));
  byId("count").textContent = `${count} of ${length} digits entered`;
  byId("next").setAttribute("aria-disabled", String(!full));
}

function drawStep() {
  const { prompt, hint } = step();
  const count = kind.steps.length;
  byId("prompt").textContent = prompt;
  byId("hint").textContent = hint;
  byId("step").textContent = `Step ${at + 1} of ${count}`;
  byId("steps").hidden = count === 1;
  byId("bar").replaceChildren(...kind.steps.map((_, nth) => {
    const part = document.createElement("span");
    part.classList.toggle("done", nth <= at);
    return part;
  }));
  byId("back").hidden = at === 0;
  byId("next").textContent = at === count - 1 ? kind.send : "Continue";
  drawDots();
  byId("field").focus({ preventScroll: true });
}

function goTo(nth) {
  at = nth;
  kind.steps.slice(nth).forEach((one) => one.digits.wipe());
  drawStep();
}

// Entering digits, by button or by keyboard.

function press(digit) {
  if (phase === "entering" && step().digits.press(digit)) drawDots();
}

function drop() {
  if (phase === "entering" && step().digits.drop()) drawDots();
}

function clear() {
  if (phase !== "entering") return;
  step().digits.wipe();
  drawDots();
}

/** What is wrong with the field, and the step to go back to; the bank has rules of its own. */
function objection() {
  const { digits, what, isNew, isRepeat } = step();
  if (!digits.full) return [`Enter all ${digits.length} digits of ${what}.`, at, "keep"];
  if (isRepeat && !kind.steps[at - 1].digits.same(digits)) {
    return ["The two MPINs differ. Choose the new MPIN again.", at - 1];
  }
  if (isNew && digits.inARow) {
    return [`That is too easy to guess. Do not use digits in a row like ${rise}, or one digit only.`, at];
  }
  if (isNew && kind.steps[at - 1].sub === "MPIN" && kind.steps[at - 1].digits.same(digits)) {
    return ["The new MPIN is the current one. Choose another.", at];
  }
  return null;
}

function advance() {
  if (phase !== "entering") return;
  const wrong = objection();
  if (wrong) {
    const [text, back, keep] = wrong;
    if (!keep) goTo(back);
    complain(text);
    return;
  }
  complain("");
  if (at + 1 < kind.steps.length) goTo(at + 1);
  else submit();
}

function onKey(event) {
  const modified = event.ctrlKey || event.metaKey || event.altKey || event.isComposing;
  if (phase !== "entering" || modified || byId("stop").open) return;
  const digit = /^[0-9]$/.test(event.key);
  const elsewhere = event.key === "Enter" && event.target instanceof HTMLButtonElement;
  if (elsewhere || !(digit || ["Backspace", "Delete", "Enter"].includes(event.key))) return;
  event.preventDefault();
  if (event.key === "Backspace") drop();
  else if (event.repeat) return;
  else if (digit) press(Number(event.key));
  else if (event.key === "Delete") clear();
  else advance();
}

function onPaste(event) {
  if (phase !== "entering" || byId("stop").open) return;
  event.preventDefault();
  const text = event.clipboardData.getData("text").replaceAll(/[\s-]/g, "");
  const { length } = step().digits;
  if (text.length !== length || !/^[0-9]+$/.test(text)) return complain(`What you pasted is not ${length} digits.`);
  clear();
  for (const digit of text) press(Number(digit));
}

// Encryption: a compact JWE (RFC 7516), ECDH-ES on P-256 with A256GCM (RFC 7518, 4.6).

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** A number or a length as four bytes, most significant first. */
function word(number) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((offset, part) => {
    all.set(part, offset);
    return offset + part.length;
  }, 0);
  return all;
}

class NoKey extends Error {}

let server = null;

/** The bank's public key, and its clock: that of a phone may be wrong. */
async function fetchKey() {
  const response = await fetch("/.well-known/jwks.json", options({}));
  if (!response.ok) throw new Error("no key set");
  const stamp = Date.parse(response.headers.get("Date") ?? "");
  const heard = mark();
  const { keys } = await response.json();
  const found = keys.find((one) => one.kid === view.kid && one.kty === "EC" && one.crv === "P-256");
  if (!found) throw new NoKey();
  const { kty, crv, x, y } = found;
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, { name: "ECDH", namedCurve: "P-256" }, false, []);
  server = { key, now: () => Math.round((Number.isNaN(stamp) ? heard.wall : stamp) + performance.now() - heard.steady) };
}

async function contentKey(privateKey) {
  const secret = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: server.key }, privateKey, 256));
  const name = utf8.encode("A256GCM");
  const material = joined(word(1), secret, word(name.length), name, word(0), word(0), word(256));
  const derived = await crypto.subtle.digest("SHA-256", material);
  secret.fill(0);
  material.fill(0);
  const key = await crypto.subtle.importKey("raw", derived, "AES-GCM", false, ["encrypt"]);
  new Uint8Array(derived).fill(0);
  return key;
}

async function seal({ digits, sub }) {
  const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const header = base64url(utf8.encode(JSON.stringify({ alg: "ECDH-ES", enc: "A256GCM", kid: view.kid, epk: { kty, crv, x, y } })));
  const key = await contentKey(pair.privateKey);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const claims = JSON.stringify({ sub, txn: view.txn, iat: server.now() });
  const payload = digits.between('{"pin":"', `",${claims.slice(1)}`);
  const algorithm = { name: "AES-GCM", iv, additionalData: utf8.encode(header), tagLength: 128 };
  const sealing = crypto.subtle.encrypt(algorithm, key, payload);
  payload.fill(0);
  const sealed = new Uint8Array(await sealing);
  return [header, "", base64url(iv), base64url(sealed.slice(0, -16)), base64url(sealed.slice(-16))].join(".");
}

async function sealAll() {
  const creds = [];
  for (const one of kind.steps.filter((each) => !each.isRepeat)) {
    const block = await seal(one);
    creds.push({ type: one.type, subType: one.sub, data: { code: MARK_CODE, ki: view.kid, encryptedBase64String: block } });
  }
  return JSON.stringify({ creds });
}

// Sending, and sending the very same bytes again.

function options(more) {
  return {
    cache: "no-store", credentials: "omit", redirect: "error", referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(SEND_TIMEOUT_MS), ...more,
  };
}

const captureUrl = `/hyper/v1/captures/${encodeURIComponent(view.capture)}`;

let body = null;

async function submit() {
  phase = "sealing";
  wait("Encrypting and sending.");
  try {
    if (!server) await fetchKey();
    if (phase !== "sealing") return;
    body = await sealAll();
    if (phase !== "sealing") return;
  } catch (error) {
    if (phase !== "sealing") return;
    if (error instanceof NoKey) return finish("noKey");
    phase = "entering";
    show("entry");
    byId("field").focus({ preventScroll: true });
    return complain("The bank cannot be reached. Check your connection, then try again.");
  }
  wipeAll();
  send();
}

async function send() {
  phase = "sending";
  wait("Waiting for the bank. Please do not close this page.");
  try {
    const response = await fetch(captureUrl, options({ method: "POST", headers: { "Content-Type": "application/json" }, body }));
    if (response.status === 429 || response.status >= 500) return offerAgain(Number(response.headers.get("Retry-After")));
    if (response.status === 404 || response.status === 410) return finish("closed");
    if (!response.ok) return finish("refused");
    conclude(await response.json());
  } catch {
    offerAgain(0);
  }
}

/** Reads the event that the app gets as well. */
function conclude(event) {
  if (event?.event !== "process_result") return finish("unknown", UNKNOWN);
  if (event.error) return finish(String(event.errorCode));
  if (event.payload?.status === "SUCCESS") return finish("00");
  const code = String(event.payload?.gatewayResponseCode);
  finish(code, code === "00" ? UNKNOWN : undefined);
}

function wait(text) {
  byId("wait-title").textContent = "One moment";
  byId("wait-text").textContent = text;
  byId("busy").hidden = false;
  byId("again").hidden = true;
  show("waiting");
  byId("wait-title").focus();
}

/** Nobody knows what became of the request; a repeat of the same bytes gets the first answer. */
function offerAgain(afterS) {
  phase = "unanswered";
  byId("wait-title").textContent = "No answer yet";
  byId("wait-text").textContent = "The bank could not be reached, or is busy. Try again: nothing is done twice.";
  byId("busy").hidden = true;
  const again = byId("again");
  again.hidden = false;
  again.setAttribute("aria-disabled", "true");
  countDown(again, Math.min(Math.max(1, afterS || 1), WAIT_MAX_S));
}

function countDown(button, seconds) {
  if (phase !== "unanswered") return;
  button.textContent = seconds > 0 ? `Try again in ${seconds} s` : "Try again";
  if (seconds > 0) setTimeout(countDown, 1000, button, seconds - 1);
  else button.removeAttribute("aria-disabled");
}

function sendAgain() {
  if (phase === "unanswered" && byId("again").getAttribute("aria-disabled") !== "true") send();
}

function leave() {
  finish("JP_002");
  // If it does not arrive, the request ends by itself when its time is over.
  fetch(captureUrl, options({ method: "DELETE", keepalive: true }))
    .then((response) => response.json())
    // It may have been answered elsewhere before.
    .then((event) => { if (event?.event === "process_result" && event.errorCode !== "JP_002") conclude(event); })
    .catch(() => {});
}

function listen() {
  for (const key of document.querySelectorAll(".key")) {
    key.addEventListener("click", () => press(Number(key.textContent)));
  }
  // The pointer leaves the focus where it is, so that Enter still continues.
  byId("keys").addEventListener("mousedown", (event) => event.preventDefault());
  const clicks = {
    clear, delete: drop, next: advance, again: sendAgain, leave,
    back: () => { complain(""); goTo(at - 1); },
    cancel: () => byId("stop").showModal(),
    stay: () => { byId("stop").close(); byId("field").focus(); },
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
  byId("stop").addEventListener("close", () => byId("field").focus({ preventScroll: true }));
  document.addEventListener("keydown", onKey);
  document.addEventListener("paste", onPaste);
  addEventListener("pagehide", () => { wipeAll(); body = null; });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("visibilitychange", tick);
}

function start() {
  if (view.state !== "open") return finish(view.code, OUTCOMES[view.code] ?? OUTCOMES.closed);
  if (!globalThis.crypto?.subtle) return finish("noCrypto");
  listen();
  show("entry");
  drawStep();
  tick();
  setInterval(tick, 1000);
  // A second attempt follows when the digits are there.
  fetchKey().catch((error) => { if (error instanceof NoKey) finish("noKey"); });
}

start();
