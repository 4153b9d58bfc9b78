// How the account panel keeps a session: faults and waits that a real server does not give on demand.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startBackend } from "./backend.mjs";
import { execute, launch, open, register, request, result, signIn } from "./browser.mjs";

let browser, backend;

before(async () => {
  backend = await startBackend();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await backend?.close();
});

async function signedIn(options) {
  const account = await register(backend.url);
  const { page, close } = await open(browser, backend.url, options);
  await signIn(page, account);
  await page.getByText("Signed in as").waitFor();
  return { account, page, close };
}

const accessToken = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("hansa.session")).accessToken);

test("the access token is renewed before it expires", async () => {
  const { page, close } = await signedIn({ clock: true });
  const first = await accessToken(page);
  const renewal = page.waitForResponse((response) => response.request().postData()?.includes("sessionRefresh"));
  await page.clock.fastForward("04:45");
  await renewal;
  await page.waitForFunction((first) => !sessionStorage.getItem("hansa.session")?.includes(`"${first}"`), first);
  const sent = page.waitForRequest((request) => request.postData()?.includes("viewer"));
  await execute(page, "{ viewer { user { username } } }");
  assert.equal((await sent).headers().authorization, `Bearer ${await accessToken(page)}`);
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
  await execute(page, "subscription { notificationEvents { ... on NotificationChanged { unreadCount } } }");
  await first;
  const second = subscribed();
  backend.expireSockets();
  await second;
  const mark = "mutation { notificationUpdate(id: \"notification_1\", input: { isRead: true }) { userErrors { code } } }";
  await request(backend.url, mark, {}, account.accessToken);
  await result(page, '"unreadCount": 0');
  await close();
});

test("a refused renewal signs out and says why", async () => {
  const { page, close } = await signedIn({ clock: true });
  backend.forgetSessions();
  await page.clock.fastForward("04:45");
  await page.getByText("The refresh token is not valid.").waitFor();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await close();
});
