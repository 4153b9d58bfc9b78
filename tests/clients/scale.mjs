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
// What the tests read is no setting of the server.
const { HANSA: _binary, HANSA_URL: _url, HANSA_BRIEF_URL: _brief, ...inherited } = process.env;
const env = { ...inherited, ...Object.fromEntries(settings), HANSA_SUBGRAPHS__USERS__ACCESS_TOKEN_SECONDS: "3600" };
const hansa = spawn(BINARY, ["up", "--listen", `127.0.0.1:${port}`, "--data", data], { env, stdio: ["ignore", "ignore", "inherit"] });
const ended = once(hansa, "exit");
try {
  await until(async () => (await fetch(`${HANSA_URL}/ready`).catch(() => ({}))).ok);
  await measure();
} finally {
  hansa.kill();
  await ended;
  await rm(data, { recursive: true });
}
process.exit();

async function measure() {
  const accounts = [];
  for (let i = 0; i < ACCOUNTS; i++) accounts.push(await register());
  const sockets = [];
  const grow = async (size) => {
    for (let begun = sockets.length; begun < size; begun = sockets.length) {
      const batch = Array.from({ length: Math.min(AT_ONCE, size - begun) }, (_, i) => open(accounts[i % ACCOUNTS]));
      sockets.push(...(await Promise.all(batch)));
    }
    return memory();
  };
  // Registering takes memory that the first sockets use again, so the later ones are measured.
  const few = Math.ceil(SOCKETS / 5);
  const before = await grow(few);
  const opened = await grow(SOCKETS);

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
  const each = (kilobytes) => ((kilobytes - before) / (SOCKETS - few)).toFixed(1);
  console.log(`sockets ${SOCKETS}, accounts ${ACCOUNTS}; ${feeds.join(", ")}`);
  console.log(`resident, kB: ${few} sockets ${before}, ${SOCKETS} sockets ${opened}, after events ${after}`);
  console.log(`a socket with its subscription, kB: ${each(opened)}, after events ${each(after)}`);
  console.log(`an event of every account at every socket, ms: ${times.join(" ")}`);
}

async function open(account) {
  const socket = new WebSocket(`${HANSA_URL.replace("http", "ws")}/graphql`, "graphql-transport-ws");
  const state = { events: 0 };
  socket.on("message", (text) => {
    const { type, payload } = JSON.parse(text);
    if (type === "connection_ack") socket.emit("ready");
    if (type === "pong") socket.emit("pong-message");
    if (type === "next") {
      assert.equal(payload.errors, undefined);
      state.events++;
    }
  });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${account.accessToken}` } }));
  await once(socket, "ready");
  socket.send(JSON.stringify({ type: "subscribe", id: "1", payload: { query: NEWS } }));
  // Answered after the subscription has been read.
  socket.send(JSON.stringify({ type: "ping" }));
  await once(socket, "pong-message");
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
