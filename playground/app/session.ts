import { RequestError, request } from "./graphql";

/** A signed-in session, kept for the life of this tab. */
export interface Session {
  /** Names the session among the tabs of this browser; the server does not know it. */
  id: string;
  username: string;
  accessToken: string;
  /** When the access token expires, in milliseconds of this browser's clock. */
  expiresAt: number;
  refreshToken: string;
}

/** What the account panel shows; replaced, never changed in place. */
export interface State {
  session: Session | null;
  /** Why the last session ended, when it was not the user's wish. */
  notice: string | null;
}

/** A refusal, from a payload's `userErrors`. */
export interface UserError {
  code: string;
  message: string;
}

/** Input of `sessionCreate`. */
export interface Credentials {
  login: string;
  password: string;
  totpCode?: string;
}

interface Tokens {
  accessToken: string;
  accessTokenExpiresAt: string;
  refreshToken: string;
}

const STORAGE_KEY = "hansa.session";
const REFRESH_BEFORE_MS = 30_000;
const REFRESH_PAUSE_MS = 2_000;
const CLAIM_WAIT_MS = 2_000;
const TOKENS = "tokens { accessToken accessTokenExpiresAt refreshToken } userErrors { code message }";

let state: State = { session: stored(), notice: null };
let claimed = Promise.resolve();
let refreshing: Promise<void> | null = null;
let timer: number | undefined;
const listeners = new Set<() => void>();

if (state.session) {
  claimed = claim(state.session);
  schedule(state.session);
}

/** The current state; for `useSyncExternalStore`, together with {@link subscribe}. */
export function snapshot(): State {
  return state;
}

/** Calls the listener after every change until the returned function is called. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Signs in. Returns the refusal, or null after success; throws as {@link request} does. */
export async function signIn(input: Credentials): Promise<UserError | null> {
  const { data, serverTime } = await request<{
    sessionCreate: {
      viewer: { user: { username: string } | null } | null;
      tokens: Tokens | null;
      userErrors: UserError[];
    } | null;
  }>(
    `mutation PlaygroundSignIn($input: SessionCreateInput!) {
      sessionCreate(input: $input) { viewer { user { username } } ${TOKENS} }
    }`,
    { input },
  );
  const payload = data.sessionCreate;
  if (!payload?.tokens) return payload?.userErrors[0] ?? { code: "UNKNOWN", message: "The server gave no tokens." };
  const session = {
    id: crypto.getRandomValues(new Uint32Array(4)).join("-"),
    username: payload.viewer?.user?.username ?? input.login,
    ...accepted(payload.tokens, serverTime),
  };
  claimed = claim(session);
  set({ session, notice: null });
  return null;
}

/** Revokes the session at the server and forgets it here, here even if the server cannot be told. */
export async function signOut(): Promise<void> {
  const session = await fresh();
  set({ session: null, notice: null });
  if (!session) return;
  try {
    await request("mutation PlaygroundSignOut { sessionRevoke { userErrors { code } } }", {}, session.accessToken);
  } catch (error) {
    set({ session: null, notice: `Signed out here only: ${(error as Error).message}` });
  }
}

/** The session with an access token that is good for a while yet, or null when signed out. */
export async function fresh(): Promise<Session | null> {
  if (state.session && state.session.expiresAt - Date.now() < REFRESH_BEFORE_MS) await refresh();
  return state.session;
}

/** Exchanges the refresh token. It works once, so callers at the same time share one exchange. */
export function refresh(): Promise<void> {
  refreshing ??= exchange().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function exchange(): Promise<void> {
  await claimed;
  const before = state.session;
  if (!before) return;
  try {
    const { data, serverTime } = await request<{
      sessionRefresh: { tokens: Tokens | null; userErrors: UserError[] } | null;
    }>(
      `mutation PlaygroundRefresh($refreshToken: String!) {
        sessionRefresh(refreshToken: $refreshToken) { ${TOKENS} }
      }`,
      { refreshToken: before.refreshToken },
    );
    // Signed out, or in as somebody else, meanwhile.
    if (state.session !== before) return;
    const tokens = data.sessionRefresh?.tokens;
    if (tokens) set({ session: { ...before, ...accepted(tokens, serverTime) }, notice: null });
    else set({ session: null, notice: data.sessionRefresh?.userErrors[0]?.message ?? "The session has ended." });
  } catch (error) {
    if (state.session !== before) return;
    if (error instanceof RequestError && error.code === "UNAUTHENTICATED") {
      set({ session: null, notice: error.message });
    } else {
      // The server cannot answer now: the refresh token is still good for the next try.
      schedule(before);
    }
  }
}

function accepted(tokens: Tokens, serverTime: number) {
  // Only a difference of the server's own times counts, so that this browser's clock may be wrong.
  const lifetime = Date.parse(tokens.accessTokenExpiresAt) - serverTime;
  return { accessToken: tokens.accessToken, refreshToken: tokens.refreshToken, expiresAt: Date.now() + lifetime };
}

function set(next: State): void {
  state = next;
  if (next.session) sessionStorage.setItem(STORAGE_KEY, JSON.stringify(next.session));
  else sessionStorage.removeItem(STORAGE_KEY);
  schedule(next.session);
  for (const listener of listeners) listener();
}

function schedule(session: Session | null): void {
  clearTimeout(timer);
  if (!session) return;
  const wait = session.expiresAt - REFRESH_BEFORE_MS - Date.now();
  timer = window.setTimeout(() => void refresh(), Math.max(wait, REFRESH_PAUSE_MS));
}

/**
 * Makes this tab the only one that may use the session's refresh token, and resolves when that is settled.
 * A duplicated tab starts with a copy of the storage; two tabs with one refresh token look like theft to the server.
 */
function claim(session: Session): Promise<void> {
  return new Promise((settled) => {
    // Locks exist in secure contexts only (https or localhost).
    if (!("locks" in navigator)) return settled();
    const held = () => {
      settled();
      return new Promise<never>(() => {}); // until the tab closes
    };
    const refused = () => {
      if (state.session?.id === session.id) set({ session: null, notice: "This session belongs to another tab." });
      settled();
    };
    const signal = AbortSignal.timeout(CLAIM_WAIT_MS);
    navigator.locks.request(`${STORAGE_KEY}.${session.id}`, { signal }, held).catch(refused);
  });
}

function stored(): Session | null {
  const json = sessionStorage.getItem(STORAGE_KEY);
  return json ? (JSON.parse(json) as Session) : null;
}
