// GraphQL over HTTP: every audit of the public suite, recommendations too.
import assert from "node:assert/strict";
import { test } from "node:test";

import { serverAudits } from "graphql-http";

import { HANSA_URL } from "./hansa.mjs";

/** A browser could send these GET requests for a foreign page without asking, so they need a header of their own. */
const fetchFn = (url, options = {}) =>
  fetch(url, { ...options, headers: { ...options.headers, "graphql-require-preflight": "1" } });

const audits = serverAudits({ url: `${HANSA_URL}/graphql`, fetchFn });

test("the suite is the whole one", () => assert.equal(audits.length, 61));

for (const audit of audits) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, "ok", result.reason);
  });
}
