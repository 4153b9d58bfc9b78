// graphql-transport-ws by the public client, and by bare sockets for what that client never does.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { BRIEF_URL, HANSA_URL, NEWS, change, changeUntil, collect, inTime, refresh, register, signOut, until } from "./hansa.mjs";

const address = (url) => `${url.replace("http", "ws")}/graphql`;

function client(account, options = {}) {
  const { url = HANSA_URL, accessToken } = account ?? {};
  const connectionParams = account ? () => ({ authorization: `Bearer ${account.accessToken}` }) : undefined;
  return createClient({ url: address(url), webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, ...options });
}

async function first(client, query, variables) {
  const results = [];
  for await (const result of client.iterate({ query, variables })) results.push(result);
  assert.equal(results.length, 1);
  return results[0];
}

/** A socket without a client library. */
async function bare(url = HANSA_URL) {
  const socket = new WebSocket(address(url), "graphql-transport-ws");
  const messages = [];
  socket.on("message", (text) => messages.push(JSON.parse(text)));
  const closed = new Promise((resolve) => socket.on("close", (code, reason) => resolve([code, reason.toString()])));
  await new Promise((open, fail) => socket.on("open", open).on("error", fail));
  const say = (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message));
  const hear = (matches) => until(() => messages.find(matches));
  return { socket, messages, say, hear, closed: () => inTime(closed, "the close frame") };
}

async function ready(account) {
  const socket = await bare(account?.url);
  const payload = account && { authorization: `Bearer ${account.accessToken}` };
  socket.say({ type: "connection_init", payload });
  await socket.hear((message) => message.type === "connection_ack");
  return socket;
}

test("queries, mutations and subscriptions run over one socket", async () => {
  const account = await register();
  const socket = client(account);
  const { data } = await first(socket, "{ viewer { user { username } } }");
  assert.equal(data.viewer.user.username, account.username);
  const mutation = "mutation ($body: String!) { postCreate(input: { body: $body }) { post { body } userErrors { code } } }";
  const posted = await first(socket, mutation, { body: "by socket" });
  assert.deepEqual(posted.data.postCreate, { post: { body: "by socket" }, userErrors: [] });

  const news = collect(socket, { query: NEWS });
  await changeUntil(account, () => news.events.length);
  const event = news.events[0].data.notificationEvents;
  assert.equal(event.__typename, "NotificationChanged");
  assert.equal(event.notification.kind, "WELCOME");
  news.unsubscribe();
  await inTime(news.ended, "the completion");
  await socket.dispose();
});

test("request errors are error messages", async () => {
  const socket = client(null);
  for (const [query, code] of [
    ["{", "GRAPHQL_PARSE_FAILED"],
    ["{ absent }", "GRAPHQL_VALIDATION_FAILED"],
    ["query ($a: Int!) { __typename @skip(if: false) ... @include(if: true) { __typename } }", "GRAPHQL_VALIDATION_FAILED"],
  ]) {
    await assert.rejects(first(socket, query), (errors) => errors[0].extensions.code === code);
  }
  await socket.dispose();
});

test("the client's pings are answered", async () => {
  let ponged = 0;
  const on = { pong: (received) => void (ponged += received ? 1 : 0) };
  const socket = client(null, { lazy: false, keepAlive: 50, on });
  await until(() => ponged > 1);
  await socket.dispose();
});

test("a socket without initialisation is closed", async () => {
  const socket = await bare();
  assert.equal((await socket.closed())[0], 4408);
});

test("offences close the socket", async () => {
  const hasty = await bare();
  hasty.say({ type: "subscribe", id: "1", payload: { query: "{ __typename }" } });
  assert.deepEqual(await hasty.closed(), [4401, "Unauthorized"]);

  const insistent = await ready();
  insistent.say({ type: "connection_init" });
  assert.deepEqual(await insistent.closed(), [4429, "Too many initialisation requests"]);

  const repetitive = await ready(await register());
  for (let i = 0; i < 2; i++) repetitive.say({ type: "subscribe", id: "7", payload: { query: NEWS } });
  assert.deepEqual(await repetitive.closed(), [4409, "Subscriber for 7 already exists"]);

  for (const nonsense of ["{", '{"type":"start"}', '{"type":"subscribe","id":"1"}']) {
    const socket = await ready();
    socket.say(nonsense);
    assert.equal((await socket.closed())[0], 4400);
  }

  const old = new WebSocket(address(HANSA_URL), "graphql-ws");
  const refused = new Promise((resolve) => old.on("error", () => resolve("error")).on("close", resolve));
  assert.ok(["error", 4406].includes(await inTime(refused, "the refusal")));
});

test("who has no valid token is refused", async () => {
  const socket = client({ accessToken: "nonsense" });
  await assert.rejects(first(socket, "{ __typename }"), (event) => event.code === 4401 && event.reason === "TOKEN_INVALID");
  const anonymous = client(null);
  const denied = await first(anonymous, NEWS);
  assert.equal(denied.errors[0].extensions.code, "UNAUTHENTICATED");
  await anonymous.dispose();
});

test("the client comes back and goes on behind its cursor", async () => {
  const account = await register();
  const sockets = [];
  const on = { connected: (socket) => sockets.push(socket) };
  const socket = client(account, { retryAttempts: 5, retryWait: async () => {}, shouldRetry: () => true, on });
  const variables = {};
  const news = collect(socket, { query: NEWS, variables });
  const cursors = () => news.events.map((event) => event.data.notificationEvents.cursor);
  await changeUntil(account, () => news.events.length);
  // The client sends the same payload again, with the variables of the moment.
  variables.after = cursors().at(-1);
  sockets[0].terminate();
  for (let i = 0; i < 3; i++) await change(account);
  await changeUntil(account, () => sockets.length > 1 && news.events.length > 4);
  assert.equal(new Set(cursors()).size, cursors().length);
  const positions = cursors().map((cursor) => Number(Buffer.from(cursor, "base64")));
  assert.deepEqual(positions, positions.map((_, index) => positions[0] + index));
  await socket.dispose();
});

test("sockets end with their session", async () => {
  const brief = await register(BRIEF_URL);
  const expiring = await ready(brief);
  const account = await register();
  const ending = await ready(account);
  await signOut(account);
  assert.deepEqual(await ending.closed(), [4403, "TOKEN_REVOKED"]);
  assert.deepEqual(await expiring.closed(), [4401, "TOKEN_EXPIRED"]);
});

test("a socket lives on with renewed tokens, and its subscription too", async () => {
  const account = await register(BRIEF_URL);
  const other = await register(BRIEF_URL);
  const renewing = await ready(account);
  renewing.say({ type: "subscribe", id: "1", payload: { query: NEWS } });
  const left = await ready(other);
  let isOver = false;
  const over = left.closed().then(() => (isOver = true));
  for (let renewals = 1; !isOver; renewals++) {
    await refresh(account);
    renewing.say({ type: "ping", payload: { authorization: `Bearer ${account.accessToken}` } });
    const pongs = await until(() => {
      const pongs = renewing.messages.filter(({ type }) => type === "pong");
      return pongs.length === renewals && pongs;
    });
    assert.ok(Date.parse(pongs.at(-1).payload.expiresAt) > Date.now());
    await Promise.race([over, new Promise((soon) => setTimeout(soon, 1000))]);
  }
  // By now the first token has expired. What it opened has been opened again.
  const events = () => renewing.messages.filter(({ type }) => type === "next");
  for (let i = 1; i <= 3; i++) {
    await change(account);
    await until(() => events().length === i);
  }
  assert.deepEqual(events().map(({ payload }) => payload.errors), [undefined, undefined, undefined]);
  renewing.say({ type: "ping", payload: { authorization: `Bearer ${other.accessToken}` } });
  const refused = await renewing.hear(({ type, payload }) => type === "pong" && payload?.errors);
  assert.ok(["FORBIDDEN", "TOKEN_EXPIRED"].includes(refused.payload.errors[0].extensions.code));
  renewing.socket.close();
});
