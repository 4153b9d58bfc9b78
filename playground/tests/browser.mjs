// Drives the playground in Chromium and fails on whatever it should not do.
import assert from "node:assert/strict";

import { chromium } from "playwright-core";

const TIMEOUT_MS = 30_000;

/** Launches the browser; `CHROMIUM` names another executable than Debian's. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Opens the playground at `url` in a fresh profile. `close()` closes it and asserts that the page asked no other
 * origin for anything, broke no rule of its Content-Security-Policy and threw nothing.
 */
export async function open(browser, url) {
  const origin = new URL(url).origin;
  const offences = [];
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  context.setDefaultTimeout(TIMEOUT_MS);
  await context.route(
    (target) => target.origin !== origin,
    (route) => {
      offences.push(`request to ${route.request().url()}`);
      return route.abort();
    },
  );
  await context.exposeFunction("reportOffence", (offence) => void offences.push(offence));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportOffence(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => offences.push(`thrown: ${error.stack}`));
  page.on("console", (message) => {
    if (message.type() === "error") offences.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== new URL(url).host) offences.push(`socket to ${socket.url()}`);
  });
  await page.goto(url);
  await page.locator(".graphiql-query-editor .view-lines").waitFor();
  return {
    page,
    async close() {
      await context.close();
      assert.deepEqual(offences, []);
    },
  };
}

/** Replaces the content of an editor: `operation.graphql`, `variables.json` or `request-headers.json`. */
export function write(page, editor, text) {
  // Typing would close brackets that the text closes too.
  return page.evaluate(
    ([editor, text]) => {
      const models = globalThis.__MONACO.editor.getModels();
      models.find((model) => model.uri.path.endsWith(editor)).setValue(text);
    },
    [editor, text],
  );
}

/** Executes a document with the one operation `name`; {@link result} waits for its response. */
export async function execute(page, name, document) {
  await write(page, "operation.graphql", document);
  // The tab takes the operation's name once GraphiQL has parsed the document.
  await page.getByRole("tab", { name, exact: true }).waitFor();
  await page.getByRole("button", { name: /^Execute query/ }).click();
}

/** Waits until the response shows all the texts, and returns it. */
export async function result(page, ...texts) {
  const handle = await page.waitForFunction((texts) => {
    const models = globalThis.__MONACO.editor.getModels();
    const text = models.find((model) => model.uri.path.endsWith("response.json"))?.getValue() ?? "";
    return texts.every((expected) => text.includes(expected)) && text;
  }, texts);
  return handle.jsonValue();
}

/** Signs in through the account panel. */
export async function signIn(page, { username, password }) {
  await page.getByRole("button", { name: "Show Account" }).click();
  await page.getByLabel("Username or e-mail").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Sends an operation to the API at `url`, past the browser, and returns its data. */
export async function request(url, query, variables, accessToken) {
  const headers = { "content-type": "application/json" };
  if (accessToken) headers.authorization = `Bearer ${accessToken}`;
  const response = await fetch(new URL("/graphql", url), {
    method: "POST",
    headers,
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** Registers an account with a name of its own and returns its name, password and access token. */
export async function register(url) {
  const username = `ada${Date.now().toString(36)}`;
  const account = { username, email: `${username}@example.com`, password: "correct horse battery staple" };
  const { accountRegister } = await request(
    url,
    `mutation ($input: AccountRegisterInput!) {
      accountRegister(input: $input) { tokens { accessToken } userErrors { code message field } }
    }`,
    { input: account },
  );
  assert.deepEqual(accountRegister.userErrors, []);
  return { ...account, accessToken: accountRegister.tokens.accessToken };
}
