// The servers under test, accounts on them, and what makes events.
import assert from "node:assert/strict";

const DEADLINE_MS = 20_000;

/** Where Hansa listens. */
export const HANSA_URL = required("HANSA_URL");
/** Where a Hansa listens whose access tokens live for eight seconds. */
export const BRIEF_URL = required("HANSA_BRIEF_URL");

export const NEWS = `subscription News($after: String) {
  notificationEvents(after: $after) {
    __typename
    ... on NotificationChanged { cursor unreadCount notification { id kind } }
  }
}`;

function required(name) {
  assert.ok(process.env[name], `${name} is missing; run by tests/run clients`);
  return process.env[name].replace(/\/$/, "");
}

/** Runs an operation and returns its data. */
export async function request(url, query, variables, accessToken) {
  const headers = { "content-type": "application/json" };
  if (accessToken) headers.authorization = `Bearer ${accessToken}`;
  const response = await fetch(`${url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

let serial = 0;

/** Registers an account; `change()` makes an event of its stream. */
export async function register(url = HANSA_URL) {
  const username = `c${process.pid.toString(36)}${Date.now().toString(36)}${(serial++).toString(36)}`;
  const input = { username, email: `${username}@example.com`, password: "correct horse battery staple" };
  const { accountRegister } = await request(
    url,
    `mutation ($input: AccountRegisterInput!) {
      accountRegister(input: $input) { tokens { accessToken refreshToken } userErrors { code message } }
    }`,
    { input },
  );
  assert.deepEqual(accountRegister.userErrors, []);
  const account = { url, username, ...accountRegister.tokens, isRead: false };
  account.welcome = await until(async () => {
    const query = "{ viewer { notifications { nodes { id kind } } } }";
    const { viewer } = await request(url, query, {}, account.accessToken);
    return viewer.notifications.nodes.find((notification) => notification.kind === "WELCOME")?.id;
  });
  return account;
}

/** Marks the account's first notification as read or unread. */
export async function change(account) {
  account.isRead = !account.isRead;
  const { notificationUpdate } = await request(
    account.url,
    `mutation ($id: ID!, $isRead: Boolean!) {
      notificationUpdate(id: $id, input: { isRead: $isRead }) { userErrors { code message } }
    }`,
    { id: account.welcome, isRead: account.isRead },
    account.accessToken,
  );
  assert.deepEqual(notificationUpdate.userErrors, []);
}

/** Exchanges the account's refresh token for a new access token of the same session. */
export async function refresh(account) {
  const { sessionRefresh } = await request(
    account.url,
    `mutation ($token: String!) {
      sessionRefresh(refreshToken: $token) { tokens { accessToken refreshToken } userErrors { code } }
    }`,
    { token: account.refreshToken },
  );
  assert.deepEqual(sessionRefresh.userErrors, []);
  Object.assign(account, sessionRefresh.tokens);
}

/** Ends the account's session. */
export async function signOut(account) {
  await request(account.url, "mutation { sessionRevoke { userErrors { code } } }", {}, account.accessToken);
}

/** Makes events until one has arrived: those before the server has subscribed are not sent. */
export async function changeUntil(account, arrived) {
  await until(async () => {
    if (arrived()) return true;
    await change(account);
    return arrived();
  });
}

/** Polls until `condition` gives something. */
export async function until(condition) {
  for (const deadline = Date.now() + DEADLINE_MS; ; ) {
    const found = await condition();
    if (found) return found;
    assert.ok(Date.now() < deadline, "the condition was not met in time");
    await new Promise((soon) => setTimeout(soon, 20));
  }
}

/** Fails when `promise` takes too long. */
export function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in time`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Subscribes and collects what comes. */
export function collect(client, payload) {
  const events = [];
  const sink = {};
  const ended = new Promise((resolve, reject) => {
    sink.unsubscribe = client.subscribe(payload, { next: (event) => events.push(event), error: reject, complete: resolve });
  });
  ended.catch(() => {});
  return { events, ended, ...sink };
}
