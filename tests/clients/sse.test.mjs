// GraphQL over server-sent events by the public client: distinct connections.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "graphql-sse";

import { BRIEF_URL, HANSA_URL, NEWS, changeUntil, collect, inTime, register, signOut, until } from "./hansa.mjs";

function client(account, options) {
  const { url = HANSA_URL, accessToken } = account ?? {};
  const headers = accessToken ? { authorization: `Bearer ${accessToken}` } : {};
  return createClient({ url: `${url}/graphql`, headers, retryAttempts: 0, ...options });
}

test("queries and mutations are one event each", async () => {
  const account = await register();
  const sse = client(account);
  const query = collect(sse, { query: "{ viewer { user { username } } }" });
  await inTime(query.ended, "the completion");
  assert.deepEqual(query.events, [{ data: { viewer: { user: { username: account.username } } } }]);
  const mutation = collect(sse, { query: 'mutation { postCreate(input: { body: "by SSE" }) { post { body } } }' });
  await inTime(mutation.ended, "the completion");
  assert.deepEqual(mutation.events, [{ data: { postCreate: { post: { body: "by SSE" } } } }]);
});

test("subscriptions run side by side until they are left", async () => {
  const account = await register();
  const sse = client(account);
  const all = [collect(sse, { query: NEWS }), collect(sse, { query: NEWS, variables: { after: null } })];
  await changeUntil(account, () => all.every((news) => news.events.length));
  for (const news of all) {
    assert.equal(news.events[0].data.notificationEvents.notification.kind, "WELCOME");
    news.unsubscribe();
    await inTime(news.ended, "the completion");
  }
});

test("request errors are events too", async () => {
  for (const [query, code] of [["{", "GRAPHQL_PARSE_FAILED"], [NEWS, "UNAUTHENTICATED"]]) {
    const refused = collect(client(null), { query });
    await inTime(refused.ended, "the completion");
    assert.equal(refused.events[0].errors[0].extensions.code, code);
  }
});

test("a stream ends with its session, and says so", async () => {
  const account = await register();
  const brief = await register(BRIEF_URL);
  const expiring = collect(client(brief), { query: NEWS });
  const ending = collect(client(account), { query: NEWS });
  await changeUntil(account, () => ending.events.length);
  await signOut(account);
  for (const [stream, code] of [[ending, "TOKEN_REVOKED"], [expiring, "TOKEN_EXPIRED"]]) {
    await inTime(stream.ended, "the completion");
    assert.equal(stream.events.at(-1).errors[0].extensions.code, code);
  }
});

test("the single connection mode is refused by a code", async () => {
  const response = await fetch(`${HANSA_URL}/graphql`, { method: "PUT" });
  assert.equal(response.status, 405);
  assert.equal((await response.json()).errors[0].extensions.code, "METHOD_NOT_ALLOWED");
  const sse = client(null, { singleConnection: true });
  const refused = collect(sse, { query: "{ __typename }" });
  await inTime(assert.rejects(refused.ended), "the refusal");
});
