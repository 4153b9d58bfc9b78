import { Button, type GraphiQLPlugin } from "@graphiql/react";
import { type FormEvent, useState, useSyncExternalStore } from "react";

import { type Session, signIn, signOut, snapshot, subscribe } from "./session";

/** The panel that signs in and out. */
export const accountPlugin: GraphiQLPlugin = { title: "Account", icon: AccountIcon, content: AccountPanel };

function AccountIcon() {
  const { session } = useSyncExternalStore(subscribe, snapshot);
  return (
    <svg viewBox="0 0 24 24" fill={session ? "currentColor" : "none"} stroke="currentColor" strokeWidth="1.6">
      <title>Account</title>
      <circle cx="12" cy="8" r="4" />
      <path d="M4 21c0-4.4 3.6-7 8-7s8 2.6 8 7" strokeLinecap="round" />
    </svg>
  );
}

function AccountPanel() {
  const { session, notice } = useSyncExternalStore(subscribe, snapshot);
  return (
    <section className="hansa-account" aria-label="Account">
      <h2 className="hansa-account-title">Account</h2>
      {notice && <p role="alert">{notice}</p>}
      {session ? <SignedIn session={session} /> : <SignInForm />}
      <p>
        E-mails that Hansa sends are in the{" "}
        <a href="/mail" target="_blank" rel="noopener">
          mailbox
        </a>
        .
      </p>
    </section>
  );
}

function SignedIn({ session }: { session: Session }) {
  const [isBusy, setBusy] = useState(false);
  const leave = async () => {
    setBusy(true);
    await signOut();
  };
  return (
    <>
      <p role="status">
        Signed in as <strong>{session.username}</strong>.
      </p>
      <p>
        Every request and subscription carries this session&rsquo;s Authorization, unless the Headers editor has its
        own. The access token is renewed before it expires.
      </p>
      <Button type="button" onClick={leave} disabled={isBusy}>
        Sign out
      </Button>
    </>
  );
}

function SignInForm() {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [needsCode, setNeedsCode] = useState(false);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "");
    setBusy(true);
    setProblem(null);
    try {
      const refusal = await signIn({
        login: text("login").trim(),
        password: text("password"),
        ...(needsCode && { totpCode: text("totpCode").trim() }),
      });
      if (refusal?.code === "SECOND_FACTOR_REQUIRED") setNeedsCode(true);
      if (refusal) setProblem(refusal.message);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className="hansa-sign-in" onSubmit={submit}>
      <label>
        Username or e-mail
        <input name="login" autoComplete="username" autoCapitalize="none" spellCheck={false} required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete="current-password" required />
      </label>
      {needsCode && (
        <label>
          One-time code
          <input name="totpCode" inputMode="numeric" autoComplete="one-time-code" required />
        </label>
      )}
      {problem && <p role="alert">{problem}</p>}
      <Button type="submit" disabled={isBusy}>
        Sign in
      </Button>
    </form>
  );
}
