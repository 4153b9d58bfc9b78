import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./style.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";

import { accountPlugin } from "./account";
import { Brand } from "./brand";
import { fetcher } from "./fetcher";
import welcome from "./welcome.graphql?raw";

const plugins = [accountPlugin, HISTORY_PLUGIN, explorerPlugin()];

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");

createRoot(root).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    defaultQuery={welcome}
    defaultEditorToolsVisibility={false}
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>
      <Brand />
    </GraphiQL.Logo>
  </GraphiQL>,
);
