// Apollo Gateway behind Apollo Server: apollo.mjs SUPERGRAPH PORT

import { readFileSync } from "node:fs";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";

const [supergraph, port] = process.argv.slice(2);
const gateway = new ApolloGateway({
  supergraphSdl: readFileSync(supergraph, "utf8"),
  buildService: ({ url }) => new RemoteGraphQLDataSource({ url, honorSubgraphCacheControlHeader: false }),
});
const server = new ApolloServer({ gateway, csrfPrevention: false, introspection: false, logger: silent() });
await startStandaloneServer(server, { listen: { host: "127.0.0.1", port: Number(port) } });

function silent() {
  const nothing = () => {};
  return { debug: nothing, info: nothing, warn: console.warn, error: console.error };
}
