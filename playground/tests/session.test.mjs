// How the account panel keeps a session: faults and waits that a real server does not give on demand.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startBackend } from "./backend.mjs";
import { execute, launch, open, register, request, result, signIn } from "./browser.mjs";

/** A lifetime with which the panel renews a token two seconds after it came. */
const SHORT_MS = 31_000;

let browser, backend;

before(async () => {
  backend = await startBackend();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await backend?.close();
});

async function signedIn(server = backend) {
  const account = await register(server.url);
  const { page, close } = await open(browser, server.url);
  await signIn(page, account);
  await page.getByText("Signed in as").waitFor();
  return { account, page, close };
}

const accessToken = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("hansa.session")).accessToken);

test("the access token is renewed before it expires", async (t) => {
  const hasty = await startBackend({ lifetimeMs: SHORT_MS });
  t.after(hasty.close);
  const { page, close } = await signedIn(hasty);
  const first = await accessToken(page);
  await page.waitForFunction((first) => !sessionStorage.getItem("hansa.session")?.includes(`"${first}"`), first);
  const sent = page.waitForRequest((request) => request.postData()?.includes("query Me"));
  await execute(page, "Me", "query Me { viewer { user { username } } }");
  assert.notEqual((await sent).headers().authorization, `Bearer ${first}`);
  await result(page, '"username"');
  await close();
});

test("a session outlives a reload and ends in a duplicated tab", async () => {
  const { page, close } = await signedIn();
  await page.reload();
  await page.getByText("Signed in as").waitFor();

  const [copy] = await Promise.all([page.context().waitForEvent("page"), page.evaluate(() => void window.open("/"))]);
  await copy.getByText("This session belongs to another tab.").waitFor();
  await copy.close();
  await page.reload();
  await page.getByText("Signed in as").waitFor();
  await close();
});

test("a subscription goes on after its token expired", async () => {
  const { account, page, close } = await signedIn();
  const subscribed = () =>
    page.waitForEvent("websocket").then((socket) =>
      socket.waitForEvent("framesent", ({ payload }) => payload.includes('"type":"subscribe"')),
    );
  const first = subscribed();
  await execute(page, "News", "subscription News { notificationEvents { ... on NotificationChanged { unreadCount } } }");
  await first;
  const second = subscribed();
  backend.expireSockets();
  await second;
  const mark = "mutation { notificationUpdate(id: \"notification_1\", input: { isRead: true }) { userErrors { code } } }";
  await request(backend.url, mark, {}, account.accessToken);
  await result(page, '"unreadCount": 0');
  await close();
});

test("a refused renewal signs out and says why", async (t) => {
  const hasty = await startBackend({ lifetimeMs: SHORT_MS });
  t.after(hasty.close);
  const { page, close } = await signedIn(hasty);
  hasty.forgetSessions();
  await page.getByText("The refresh token is not valid.").waitFor();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await close();
});
