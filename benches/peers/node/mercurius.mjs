// Mercurius as a gateway: mercurius.mjs SUPERGRAPH PORT
//
// It composes by itself and knows federation 1 alone, so the subgraphs' schemas are given in that; the supergraph only tells
// their URLs.

import { readFileSync } from "node:fs";
import gateway from "@mercuriusjs/gateway";
import fastify from "fastify";

const SCHEMAS = {
  accounts: `
    extend type Query { users: [User!]! }
    type User @key(fields: "id") { id: ID! username: String! name: String! }`,
  products: `
    extend type Query { topProducts(first: Int): [Product!]! }
    type Product @key(fields: "upc") { upc: String! name: String! price: Int weight: Int }`,
  reviews: `
    type Review @key(fields: "id") { id: ID! body: String! author: User! product: Product! }
    extend type User @key(fields: "id") { id: ID! @external reviews: [Review!]! }
    extend type Product @key(fields: "upc") { upc: String! @external reviews: [Review!]! }`,
  inventory: `
    extend type Product @key(fields: "upc") {
      upc: String! @external
      price: Int @external
      weight: Int @external
      inStock: Boolean!
      shippingEstimate: Int @requires(fields: "price weight")
    }`,
};

const [supergraph, port] = process.argv.slice(2);
const document = readFileSync(supergraph, "utf8");
const graphs = document.matchAll(/@join__graph\(name: "(\w+)", url: "([^"]+)"\)/g);
const services = [...graphs].map(([, name, url]) => ({
  name,
  url,
  schema: SCHEMAS[name],
  mandatory: true,
  connections: 50,
}));
const app = fastify({ logger: false });
app.register(gateway, { gateway: { services }, jit: 1 });
await app.listen({ host: "127.0.0.1", port: Number(port) });
