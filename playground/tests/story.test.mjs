// What a person does with the playground, against the server that HANSA_URL names, or else against the stand-in.
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { startBackend } from "./backend.mjs";
import { execute, launch, open, register, request, result, signIn, write } from "./browser.mjs";

const EVENT_DEADLINE_MS = 20_000;
const NOTIFICATIONS = "query { viewer { notifications { nodes { id kind } } } }";
const MARK = `mutation ($id: ID!, $isRead: Boolean!) {
  notificationUpdate(id: $id, input: { isRead: $isRead }) { userErrors { code message } }
}`;

let browser, backend, url;

before(async () => {
  backend = process.env.HANSA_URL ? null : await startBackend();
  url = process.env.HANSA_URL ?? backend.url;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await backend?.close();
});

test("query, sign in, and see an event arrive", async (t) => {
  const account = await register(url);
  const welcome = await welcomeOf(account);
  const { page, close } = await open(browser, url);
  const shots = await mkdtemp(join(tmpdir(), "hansa-playground-"));
  t.diagnostic(`screenshots: ${shots}`);
  await page.screenshot({ path: join(shots, "start.png") });

  await page.getByRole("button", { name: /^Execute query/ }).click();
  await page.getByRole("menuitem", { name: "Register" }).click();
  await result(page, '"accountRegister"', '"userErrors"');

  await signIn(page, account);
  await page.getByText(`Signed in as ${account.username}.`).waitFor();
  await execute(page, "Me", "query Me { viewer { user { username } notifications { nodes { kind title } } } }");
  await result(page, account.username, '"WELCOME"');
  await page.screenshot({ path: join(shots, "signed-in.png") });

  await execute(
    page,
    "News",
    `subscription News {
      notificationEvents { __typename ... on NotificationChanged { cursor unreadCount notification { kind } } }
    }`,
  );
  // Changes of the time before the server has subscribed are not sent, so there is one after the other.
  const change = async (isRead) => request(url, MARK, { id: welcome.id, isRead }, account.accessToken);
  await until(async (attempt) => {
    await change(attempt % 2 === 0);
    const shown = await page.locator(".graphiql-response").innerText();
    return shown.includes("NotificationChanged");
  });
  await result(page, '"NotificationChanged"', '"cursor"', '"WELCOME"');
  await page.screenshot({ path: join(shots, "event-light.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: join(shots, "event-dark.png") });

  await page.getByRole("button", { name: /^Stop query/ }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await close();
});

test("a wrong password is refused in words", async () => {
  const account = await register(url);
  const { page, close } = await open(browser, url);
  await signIn(page, { ...account, password: "not the password" });
  const refusal = page.getByRole("region", { name: "Account" }).getByRole("alert");
  assert.notEqual(await refusal.innerText(), "");
  await close();
});

test("the Headers editor's Authorization serves queries and subscriptions", async () => {
  const account = await register(url);
  const welcome = await welcomeOf(account);
  const { page, close } = await open(browser, url);
  await page.getByRole("button", { name: "Headers", exact: true }).click();
  await write(page, "request-headers.json", JSON.stringify({ authorization: `Bearer ${account.accessToken}` }));

  await execute(page, "Me", "query Me { viewer { user { username } } }");
  await result(page, account.username);
  await execute(page, "News", "subscription News { notificationEvents { __typename } }");
  await until(async (attempt) => {
    await request(url, MARK, { id: welcome.id, isRead: attempt % 2 === 0 }, account.accessToken);
    return (await page.locator(".graphiql-response").innerText()).includes("NotificationChanged");
  });
  await close();
});

test("docs, history and explorer open", async () => {
  const { page, close } = await open(browser, url);
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.getByRole("link", { name: "Query", exact: true }).click();
  await page.getByText("viewer", { exact: true }).first().waitFor();
  await execute(page, "Root", "query Root { __typename }");
  await result(page, '"Query"');
  await page.getByRole("button", { name: "Show History" }).click();
  await page.locator(".graphiql-history-item").first().waitFor();
  await page.getByRole("button", { name: "Show GraphiQL Explorer" }).click();
  await page.locator(".graphiql-explorer-root").waitFor();
  await close();
});

/** The notification that a registration causes; it comes some time after it. */
function welcomeOf(account) {
  return until(async () => {
    const { viewer } = await request(url, NOTIFICATIONS, {}, account.accessToken);
    return viewer.notifications.nodes.find((notification) => notification.kind === "WELCOME");
  });
}

/** Asks until the answer is truthy, and returns it. */
async function until(ask) {
  const deadline = Date.now() + EVENT_DEADLINE_MS;
  for (let attempt = 0; Date.now() < deadline; attempt++) {
    const answer = await ask(attempt);
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("what was waited for did not happen in time");
}
