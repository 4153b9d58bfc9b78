import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect } from "react";

/** What stands at the top right: the name and the way to the mailbox. */
export function Brand() {
  useSystemTheme();
  return (
    <>
      <span className="hansa-name">Hansa</span>
      <a className="hansa-mail-link" href="/mail" target="_blank" rel="noopener">
        Mailbox
      </a>
    </>
  );
}

/** Lets the editors follow a change of the system's theme; GraphiQL itself only asks for it at the start. */
function useSystemTheme() {
  const theme = useGraphiQL((state) => state.theme);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => {
    if (theme) return; // the user chose one in the settings
    const follow = () => setTheme(null);
    const system = matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [theme, setTheme]);
}
