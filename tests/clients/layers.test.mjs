// The network layers of urql and Relay, as their manuals set them up with the public clients of both stream protocols.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createSocketClient } from "graphql-ws";
import relay from "relay-runtime";
import WebSocket from "ws";

import { HANSA_URL, NEWS, changeUntil, register } from "./hansa.mjs";

const ME = "query Me { viewer { user { id username } } }";
const POST = "mutation Post($body: String!) { postCreate(input: { body: $body }) { post { id body } } }";

const socketOf = (account) =>
  createSocketClient({
    url: `${HANSA_URL.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${account.accessToken}` },
  });

const eventsOf = (account) =>
  createSseClient({ url: `${HANSA_URL}/graphql`, headers: { authorization: `Bearer ${account.accessToken}` } });

for (const [way, open] of [["sockets", socketOf], ["event streams", eventsOf]]) {
  test(`urql over ${way}`, async () => {
    const account = await register();
    const live = open(account);
    const client = new Client({
      url: `${HANSA_URL}/graphql`,
      preferGetMethod: false,
      fetchOptions: { headers: { authorization: `Bearer ${account.accessToken}` } },
      exchanges: [
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: ({ query, variables }) => ({
            subscribe: (sink) => ({ unsubscribe: live.subscribe({ query, variables }, sink) }),
          }),
        }),
      ],
    });
    const me = await client.query(ME, {}).toPromise();
    assert.equal(me.data.viewer.user.username, account.username);
    const posted = await client.mutation(POST, { body: "by urql" }).toPromise();
    assert.equal(posted.data.postCreate.post.body, "by urql");
    const results = [];
    const { unsubscribe } = client.subscription(NEWS, {}).subscribe((result) => results.push(result));
    await changeUntil(account, () => results.length);
    assert.equal(results[0].data.notificationEvents.notification.kind, "WELCOME");
    unsubscribe();
    await live.dispose();
  });

  test(`Relay over ${way}`, async () => {
    const account = await register();
    const live = open(account);
    const ask = async ({ text: query }, variables) => {
      const headers = { "content-type": "application/json", authorization: `Bearer ${account.accessToken}` };
      const body = JSON.stringify({ query, variables });
      return (await fetch(`${HANSA_URL}/graphql`, { method: "POST", headers, body })).json();
    };
    const listen = ({ text: query }, variables) =>
      relay.Observable.create((sink) => live.subscribe({ query, variables }, sink));
    const network = relay.Network.create(ask, listen);
    const execute = (operationKind, text, variables = {}) => {
      const parameters = { id: null, cacheID: text, name: "Test", operationKind, text, metadata: {} };
      return network.execute(parameters, variables, {});
    };
    const me = await execute("query", ME).toPromise();
    assert.equal(me.data.viewer.user.username, account.username);
    const posted = await execute("mutation", POST, { body: "by Relay" }).toPromise();
    assert.equal(posted.data.postCreate.post.body, "by Relay");
    const results = [];
    const subscription = execute("subscription", NEWS).subscribe({ next: (result) => results.push(result) });
    await changeUntil(account, () => results.length);
    assert.equal(results[0].data.notificationEvents.notification.kind, "WELCOME");
    subscription.unsubscribe();
    await live.dispose();
  });
}
