import { defineConfig } from "vite";

export default defineConfig({
  base: "/playground/",
  build: {
    target: "es2023",
    // Assets stay files, so that the Content-Security-Policy need not allow inline ones.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The notices that the licences of the bundled packages ask for.
    license: { fileName: "licenses.md" },
    // Monaco is large; it is served from the same machine.
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      // "use client" in libraries says nothing here: there is no server side.
      onLog: (level, log, report) => log.code === "MODULE_LEVEL_DIRECTIVE" || report(level, log),
      output: {
        codeSplitting: {
          // Our own code in a chunk of its own, so that a change of it leaves the large files of dist/ alone.
          groups: [{ name: "libraries", test: /node_modules\/(?!monaco-|prettier)/ }],
        },
      },
    },
  },
  // `npm run dev` in front of a running `hansa`.
  server: {
    proxy: {
      "/graphql": { target: "http://127.0.0.1:4000", ws: true },
      "/mail": "http://127.0.0.1:4000",
    },
  },
});
