// Apollo Client 4 and 3: queries, mutations, and subscriptions over its multipart protocol.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import * as four from "@apollo/client";

import { BRIEF_URL, NEWS, changeUntil, inTime, register, signOut } from "./hansa.mjs";

const three = createRequire(import.meta.url)("apollo-client-3/core");

/** What ended a stream, as either version tells it. */
const codes = (error) => (error.errors ?? error.protocolErrors ?? error.graphQLErrors).map(({ extensions }) => extensions.code);

for (const [version, apollo] of [["4", four], ["3", three]]) {
  function client(account) {
    const headers = { authorization: `Bearer ${account.accessToken}` };
    const link = new apollo.HttpLink({ uri: `${account.url}/graphql`, headers });
    return new apollo.ApolloClient({ link, cache: new apollo.InMemoryCache() });
  }

  /** Subscribes and collects what comes. */
  function collect(client, query, variables) {
    const events = [];
    let subscription;
    const ended = new Promise((resolve, reject) => {
      const observer = { next: (event) => events.push(event), error: reject, complete: resolve };
      subscription = client.subscribe({ query: apollo.gql(query), variables }).subscribe(observer);
    });
    ended.catch(() => {});
    return { events, ended, unsubscribe: () => subscription.unsubscribe() };
  }

  test(`Apollo Client ${version} asks and changes`, async () => {
    const account = await register();
    const { data } = await client(account).query({ query: apollo.gql("{ viewer { user { id username } } }") });
    assert.equal(data.viewer.user.username, account.username);
    const mutation = apollo.gql('mutation { postCreate(input: { body: "by Apollo" }) { post { id body } } }');
    assert.equal((await client(account).mutate({ mutation })).data.postCreate.post.body, "by Apollo");
  });

  test(`Apollo Client ${version} subscribes`, async () => {
    const account = await register();
    const news = collect(client(account), NEWS);
    await changeUntil(account, () => news.events.length);
    assert.equal(news.events[0].data.notificationEvents.notification.kind, "WELCOME");
    news.unsubscribe();
  });

  test(`Apollo Client ${version} hears request errors`, async () => {
    const account = await register();
    const refused = collect(client(account), "subscription { absent }");
    const error = await inTime(refused.ended.then(() => refused.events[0].error, (error) => error), "the error");
    assert.match(String(error?.message), /absent|400/);
  });

  test(`Apollo Client ${version} hears why a stream ends`, async () => {
    const brief = await register(BRIEF_URL);
    const account = await register();
    const expiring = collect(client(brief), NEWS);
    const ending = collect(client(account), NEWS);
    await changeUntil(account, () => ending.events.length);
    await signOut(account);
    for (const [stream, code] of [[ending, "TOKEN_REVOKED"], [expiring, "TOKEN_EXPIRED"]]) {
      const ended = stream.ended.then(() => stream.events.at(-1).error, (error) => error);
      assert.deepEqual(codes(await inTime(ended, "the end")), [code]);
    }
  });
}
