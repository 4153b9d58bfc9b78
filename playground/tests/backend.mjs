// A stand-in for Hansa with the operations that the playground uses, for what a real server does not do on demand:
// expire a socket's token, refuse a refresh. It serves the built bundle as the Rust side does.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { gunzipSync } from "node:zlib";

import { buildSchema, graphql } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const DIST = new URL("../dist/", import.meta.url);
const POLICY = (await readFile(new URL("../content-security-policy.txt", import.meta.url), "utf8")).trim();
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

const schema = buildSchema(/* GraphQL */ `
  type Query {
    "The caller's own data."
    viewer: Viewer
  }
  type Mutation {
    "Creates an account and signs it in."
    accountRegister(input: AccountRegisterInput!): SessionPayload
    "Signs in."
    sessionCreate(input: SessionCreateInput!): SessionPayload
    "Exchanges a refresh token; it works once."
    sessionRefresh(refreshToken: String!): SessionPayload
    "Signs out."
    sessionRevoke(id: ID): SessionRevokePayload
    "Marks a notification as read or unread."
    notificationUpdate(id: ID!, input: NotificationUpdateInput!): NotificationUpdatePayload
  }
  type Subscription {
    "News of the caller's notifications."
    notificationEvents(after: String): NotificationEvent!
  }
  input AccountRegisterInput { username: String! email: String! password: String! }
  input SessionCreateInput { login: String! password: String! totpCode: String }
  input NotificationUpdateInput { isRead: Boolean }
  type Viewer { user: User notifications: NotificationConnection }
  type User { id: ID! username: String! posts: PostConnection }
  type PostConnection { nodes: [Post!]! }
  type Post { id: ID! body: String! author: User }
  type NotificationConnection { nodes: [Notification!]! }
  type Notification { id: ID! kind: NotificationKind! title: String! readAt: String }
  enum NotificationKind { WELCOME }
  union NotificationEvent = NotificationReceived | NotificationChanged | StreamGap
  type NotificationReceived { cursor: String! unreadCount: Int! notification: Notification }
  type NotificationChanged { cursor: String! unreadCount: Int! notification: Notification }
  type StreamGap { cursor: String! reason: String! }
  type AuthTokens { accessToken: String! accessTokenExpiresAt: String! refreshToken: String! }
  type SessionPayload { viewer: Viewer tokens: AuthTokens userErrors: [UserError!]! }
  type SessionRevokePayload { revokedSessionId: ID userErrors: [UserError!]! }
  type NotificationUpdatePayload { notification: Notification userErrors: [UserError!]! }
  type UserError { code: String! message: String! field: [String!] }
`);

/** Starts the stand-in on a free port of the loopback interface; access tokens last `lifetimeMs`. */
export async function startBackend({ lifetimeMs = 300_000 } = {}) {
  const world = { lifetimeMs, accounts: new Map(), access: new Map(), refresh: new Map(), sockets: new Set(), tokens: 0 };
  const server = createServer((request, response) => {
    serve(world, request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  const sockets = new WebSocketServer({ server, path: "/graphql" });
  useServer(
    {
      schema,
      roots: { query: resolvers(world), mutation: resolvers(world), subscription: resolvers(world) },
      context: ({ connectionParams }) => caller(world, connectionParams?.Authorization),
      onConnect: ({ extra }) => void world.sockets.add(extra.socket),
    },
    sockets,
  );
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    /** Closes every socket as the router does when a token expires. */
    expireSockets: () => world.sockets.forEach((socket) => socket.close(4401, "Token expired")),
    /** Makes every refresh token unknown. */
    forgetSessions: () => world.refresh.clear(),
    close: () => {
      sockets.clients.forEach((socket) => socket.terminate());
      server.closeAllConnections();
      return new Promise((closed) => server.close(closed));
    },
  };
}

function resolvers(world) {
  const refused = (code, message) => ({ userErrors: [{ code, message, field: null }] });
  const opened = (account) => {
    const serial = ++world.tokens;
    world.access.set(`access-${serial}`, account);
    world.refresh.set(`refresh-${serial}`, account);
    const accessTokenExpiresAt = new Date(Date.now() + world.lifetimeMs).toISOString();
    const tokens = { accessToken: `access-${serial}`, accessTokenExpiresAt, refreshToken: `refresh-${serial}` };
    return { viewer: viewer(account), tokens, userErrors: [] };
  };
  return {
    viewer: (_, account) => account && viewer(account),
    accountRegister({ input }) {
      if (world.accounts.has(input.username)) return refused("TAKEN", "This username is taken.");
      const notification = { id: "notification_1", kind: "WELCOME", title: `Welcome, ${input.username}!`, readAt: null };
      const account = { ...input, notifications: [notification], events: new EventTarget() };
      world.accounts.set(input.username, account);
      return opened(account);
    },
    sessionCreate({ input }) {
      const account = world.accounts.get(input.login);
      if (account?.password !== input.password) return refused("INVALID_CREDENTIALS", "Wrong login or password.");
      return opened(account);
    },
    sessionRefresh({ refreshToken }) {
      const account = world.refresh.get(refreshToken);
      world.refresh.delete(refreshToken);
      return account ? opened(account) : refused("TOKEN_INVALID", "The refresh token is not valid.");
    },
    sessionRevoke: () => ({ revokedSessionId: "session_1", userErrors: [] }),
    notificationUpdate({ id, input }, account) {
      const notification = account.notifications.find((candidate) => candidate.id === id);
      notification.readAt = input.isRead ? new Date().toISOString() : null;
      account.events.dispatchEvent(new Event("changed"));
      return { notification, userErrors: [] };
    },
    async *notificationEvents(_, account) {
      const news = [];
      let wake = () => {};
      account.events.addEventListener("changed", () => {
        news.push({ ...account.notifications[0] });
        wake();
      });
      for (let cursor = 1; ; cursor++) {
        if (news.length === 0) await new Promise((woken) => (wake = woken));
        const notification = news.shift();
        const unreadCount = notification.readAt ? 0 : 1;
        const event = { __typename: "NotificationChanged", cursor: `${cursor}`, unreadCount, notification };
        yield { notificationEvents: event };
      }
    },
  };
}

function viewer(account) {
  const user = { id: `user_${account.username}`, username: account.username };
  const posts = { nodes: [{ id: "post_1", body: "Hello from the Baltic.", author: user }] };
  return { user: { ...user, posts }, notifications: { nodes: account.notifications } };
}

function caller(world, authorization) {
  return world.access.get(authorization?.replace(/^Bearer /, ""));
}

async function serve(world, request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname !== "/graphql") return serveFile(pathname, response);
  if (request.headers["content-type"] !== "application/json") return response.writeHead(415).end();
  const chunks = await request.toArray();
  const { query, variables, operationName } = JSON.parse(Buffer.concat(chunks).toString());
  const result = await graphql({
    schema,
    source: query,
    rootValue: resolvers(world),
    contextValue: caller(world, request.headers.authorization),
    variableValues: variables,
    operationName,
  });
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result));
}

async function serveFile(pathname, response) {
  const path = pathname === "/" ? "index.html" : `${pathname.replace(/^\/playground\//, "")}.gz`;
  const stored = await readFile(new URL(path, DIST)).catch(() => null);
  if (!stored) return response.writeHead(404).end();
  const type = TYPES[extname(path.replace(/\.gz$/, ""))] ?? "application/octet-stream";
  const headers = { "content-type": type, "content-security-policy": POLICY, "x-content-type-options": "nosniff" };
  response.writeHead(200, headers).end(path.endsWith(".gz") ? gunzipSync(stored) : stored);
}
