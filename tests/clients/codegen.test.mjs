// graphql-codegen's client preset over the schema that Hansa tells of itself, and TypeScript over what it writes.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { codegen } from "@graphql-codegen/core";
import { preset } from "@graphql-codegen/client-preset";
import { buildClientSchema, getIntrospectionQuery, parse, printSchema } from "graphql";

import { HANSA_URL, NEWS, request } from "./hansa.mjs";

const HERE = new URL(".", import.meta.url).pathname;
const USE = `
import { MeDocument, NewsDocument } from "./gql/graphql";
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";

export const variables: VariablesOf<typeof NewsDocument> = { after: null };
export function username(me: ResultOf<typeof MeDocument>): string | undefined {
  return me.viewer?.user?.username;
}
export function unread(news: ResultOf<typeof NewsDocument>): number | null {
  const event = news.notificationEvents;
  return event.__typename === "NotificationChanged" ? event.unreadCount : null;
}
`;

test("the client preset's code compiles", async (t) => {
  const introspection = await request(HANSA_URL, getIntrospectionQuery());
  const schema = parse(printSchema(buildClientSchema(introspection)));
  const folder = await mkdtemp(join(HERE, "generated-"));
  t.after(() => rm(folder, { recursive: true }));
  const rawSDL = `query Me { viewer { user { id username } } } ${NEWS}`;
  const documents = [{ location: `${folder}/documents.ts`, document: parse(rawSDL), rawSDL }];
  const outputs = await preset.buildGeneratesSection({
    baseOutputDir: `${folder}/gql/`,
    schema,
    schemaAst: buildClientSchema(introspection),
    documents,
    config: { useTypeImports: true },
    presetConfig: { fragmentMasking: false },
    plugins: [],
    pluginMap: {},
    pluginContext: {},
    profiler: { run: (work) => work(), collect: () => [] },
  });
  await mkdir(`${folder}/gql`);
  for (const output of outputs) {
    await writeFile(output.filename, await codegen(output));
  }
  await writeFile(`${folder}/use.ts`, USE);
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"];
  const tsc = join(HERE, "node_modules/.bin/tsc");
  const compiled = promisify(execFile)(tsc, [...options, "--target", "es2022", `${folder}/use.ts`]);
  await compiled.catch(({ stdout }) => assert.fail(stdout));
});
