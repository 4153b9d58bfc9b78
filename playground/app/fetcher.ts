import { createGraphiQLFetcher, type Fetcher, type FetcherParams, type Observable } from "@graphiql/toolkit";
import { getOperationAST, type ExecutionResult } from "graphql";
import { createClient } from "graphql-ws";

import { ENDPOINT } from "./graphql";
import * as session from "./session";

/** The close code of a socket whose token has expired. */
const UNAUTHORIZED = 4401;

type Headers = Record<string, string>;

interface Observer {
  next(result: ExecutionResult): void;
  error(error: unknown): void;
  complete(): void;
}

const http = createGraphiQLFetcher({ url: ENDPOINT, enableIncrementalDelivery: false });

/** Runs what GraphiQL asks for: subscriptions over a socket, all else over HTTP, both with the session's token. */
export const fetcher: Fetcher = async (params, options) => {
  const operation = options?.documentAST && getOperationAST(options.documentAST, params.operationName);
  const headers: Headers = options?.headers ?? {};
  if (operation?.operation === "subscription") return subscription(params, headers);
  return http(params, { ...options, headers: await authorized(headers) });
};

/** The headers of the editor with Authorization: the editor's own, else the session's. */
async function authorized(headers: Headers): Promise<Headers> {
  const own = Object.keys(headers).find((name) => name.toLowerCase() === "authorization");
  if (own) {
    // As a header it may be spelt in any case, but connection_init's payload is an object.
    const { [own]: Authorization = "", ...others } = headers;
    return { Authorization, ...others };
  }
  const current = await session.fresh();
  return current ? { Authorization: `Bearer ${current.accessToken}`, ...headers } : headers;
}

/**
 * A subscription over its own socket (graphql-transport-ws), with the headers as the payload of connection_init.
 * When the socket closes because its token expired, the session is refreshed and the subscription starts again.
 */
function subscription(params: FetcherParams, headers: Headers): Observable<ExecutionResult> {
  const subscribe = (observer: Observer) => {
    let isAcknowledged = false;
    let isStopped = false;
    let dispose = () => {};
    const client = createClient({
      url: new URL(ENDPOINT, location.href.replace(/^http/, "ws")).href,
      connectionParams: () => authorized(headers),
      on: { connected: () => (isAcknowledged = true) },
    });
    const start = () => {
      isAcknowledged = false;
      dispose = client.subscribe<Record<string, unknown>>(params, {
        next: (result) => observer.next(result as ExecutionResult),
        complete: observer.complete,
        error: failed,
      });
    };
    const failed = async (error: unknown) => {
      const hasExpired = error instanceof CloseEvent && error.code === UNAUTHORIZED && isAcknowledged;
      if (hasExpired) await session.refresh();
      if (isStopped) return;
      if (hasExpired && session.snapshot().session) start();
      else observer.error(described(error));
    };
    const unsubscribe = () => {
      isStopped = true;
      dispose();
    };
    start();
    return { unsubscribe };
  };
  // GraphiQL passes an observer; the type also asks for three separate callbacks.
  return { subscribe } as Observable<ExecutionResult>;
}

function described(error: unknown): unknown {
  if (!(error instanceof CloseEvent)) return error;
  return new Error(`The server closed the socket: ${error.code} ${error.reason}`.trim());
}
