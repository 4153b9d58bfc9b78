/** The endpoint: the page and the API share one origin. */
export const ENDPOINT = "/graphql";

/** The server answered, but with errors instead of data. */
export class RequestError extends Error {
  constructor(
    message: string,
    /** `extensions.code` of the first error. */
    readonly code?: string,
  ) {
    super(message);
  }
}

interface Response<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/**
 * Sends one operation of the account panel and returns its data, and the server's time in milliseconds.
 * Throws {@link RequestError} when the server answers with errors, TypeError when it cannot be reached.
 */
export async function request<Data>(
  query: string,
  variables: Record<string, unknown>,
  accessToken?: string,
): Promise<{ data: Data; serverTime: number }> {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/graphql-response+json, application/json;q=0.9",
  };
  if (accessToken) headers.authorization = `Bearer ${accessToken}`;
  const response = await fetch(ENDPOINT, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors }: Response<Data> = await response.json().catch(() => ({}));
  if (!data || errors?.length) {
    const error = errors?.[0];
    throw new RequestError(error?.message ?? `The server answered ${response.status}.`, error?.extensions?.code);
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  return { data, serverTime: Number.isNaN(date) ? Date.now() : date };
}
