// How much memory a socket takes, and how long an event takes to all of them. Not a part of the test command:
//
//   cargo build --release && node tests/clients/scale.mjs [SOCKETS] [ACCOUNTS]
//
// starts target/release/hansa (or $HANSA) with raised limits in a temporary folder, opens SOCKETS (5000), a subscription
// on each, shared by the accounts (10), and prints what was measured.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import WebSocket from "ws";

const SOCKETS = Number(process.argv[2] ?? 5000);
const ACCOUNTS = Number(process.argv[3] ?? 10);
const BINARY = process.env.HANSA ?? new URL("../../target/release/hansa", import.meta.url).pathname;
/** Sockets that are opened at a time. */
const AT_ONCE = 50;

const port = await freePort();
process.env.HANSA_URL = process.env.HANSA_BRIEF_URL = `http://127.0.0.1:${port}`;
const { HANSA_URL, NEWS, change, register, until } = await import("./hansa.mjs");

const data = await mkdtemp(join(tmpdir(), "hansa-scale-"));
const limits = { MAX_PER_USER: SOCKETS, MAX_PER_ADDRESS: SOCKETS, MAX_TOTAL: SOCKETS };
const settings = Object.entries(limits).map(([name, value]) => [`HANSA_ROUTER__LIMITS__STREAMS__${name}`, `${value}`]);
const env = { ...process.env, ...Object.fromEntries(settings), HANSA_SUBGRAPHS__USERS__ACCESS_TOKEN_SECONDS: "3600" };
const hansa = spawn(BINARY, ["up", "--listen", `127.0.0.1:${port}`, "--data", data], { env, stdio: "ignore" });
try {
  await until(async () => (await fetch(`${HANSA_URL}/ready`).catch(() => ({}))).ok);
  await measure();
} finally {
  hansa.kill();
  await once(hansa, "exit");
  await rm(data, { recursive: true });
}
process.exit();

async function measure() {
  const accounts = [];
  for (let i = 0; i < ACCOUNTS; i++) accounts.push(await register());
  const idle = await memory();
  const sockets = [];
  for (let begun = 0; begun < SOCKETS; begun += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, SOCKETS - begun) }, (_, i) => open(accounts[i % ACCOUNTS]));
    sockets.push(...(await Promise.all(batch)));
  }
  const opened = await memory();
  for (const socket of sockets) socket.subscribe();
  // Answered after the subscription has been read.
  await Promise.all(sockets.map((socket) => socket.ping()));
  const subscribed = await memory();

  const heard = () => sockets.filter((socket) => socket.events > 0).length;
  const times = [];
  for (let round = 0; round < 5; round++) {
    for (const socket of sockets) socket.events = 0;
    const begun = performance.now();
    for (const account of accounts) await change(account);
    await until(() => heard() === SOCKETS);
    times.push(Math.round(performance.now() - begun));
  }
  const after = await memory();
  const metrics = await (await fetch(`${HANSA_URL}/metrics`)).text();
  const feeds = metrics.split("\n").filter((line) => /^graphql_server_(feeds|streams) /.test(line));
  const each = (kilobytes) => (kilobytes / SOCKETS).toFixed(1);
  console.log(`sockets ${SOCKETS}, accounts ${ACCOUNTS}; ${feeds.join(", ")}`);
  console.log(`resident, kB: idle ${idle}, sockets open ${opened}, subscribed ${subscribed}, after events ${after}`);
  console.log(`a socket, kB: open ${each(opened - idle)}, subscribed ${each(subscribed - idle)}, after ${each(after - idle)}`);
  console.log(`an event of every account at every socket, ms: ${times.join(" ")}`);
}

async function open(account) {
  const socket = new WebSocket(`${HANSA_URL.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  const state = { events: 0 };
  let pong;
  socket.on("message", (text) => {
    const { type, payload } = JSON.parse(text);
    if (type === "connection_ack") socket.emit("ready");
    if (type === "pong") pong();
    if (type === "next") {
      assert.equal(payload.errors, undefined);
      state.events++;
    }
  });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${account.accessToken}` } }));
  await once(socket, "ready");
  state.subscribe = () => socket.send(JSON.stringify({ type: "subscribe", id: "1", payload: { query: NEWS } }));
  state.ping = () => {
    socket.send(JSON.stringify({ type: "ping" }));
    return new Promise((resolve) => (pong = resolve));
  };
  return state;
}

async function memory() {
  const status = await readFile(`/proc/${hansa.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
